"""The definitions against plain PyTorch: nn.Sequential and torch.optim, one run at a time, in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial import streams

LAYERS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "swish": torch.nn.SiLU}
OPTIMISERS = {
    "backprop": (torch.optim.SGD, {"lr": 0.01}),
    "l2": (torch.optim.SGD, {"lr": 0.01, "weight_decay": 0.003}),
    "shrink_and_perturb": (torch.optim.SGD, {"lr": 0.01, "weight_decay": 0.003}),
    "adam": (torch.optim.Adam, {"lr": 0.001}),
    "adam with decay": (torch.optim.Adam, {"lr": 0.001, "weight_decay": 0.01, "betas": (0.8, 0.99), "eps": 1e-3}),
    "shrink_and_perturb on Adam": (torch.optim.Adam, {"lr": 0.001, "weight_decay": 0.003}),
    "linear": (torch.optim.SGD, {"lr": 0.01}),
}  # fmt: skip
CHANGES = {
    "adam with decay": ({"weight_decay": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}, {}),
    "shrink_and_perturb on Adam": ({"optimiser": "adam", "step_size": 0.001}, {}),
    "linear": ({}, {"hidden": []}),
}


def plain_network(
    sizes: tuple[int, ...], activation: str, start: dict[str, np.ndarray]
) -> torch.nn.Sequential:
    """A plain network with given initial weights."""
    parts: list[torch.nn.Module] = []
    for layer, (i, o) in enumerate(zip(sizes, sizes[1:], strict=False)):  # noqa: RUF007
        linear = torch.nn.Linear(i, o, dtype=torch.float64)
        linear.weight.data = torch.tensor(start[f"weight_{layer}"].T.copy())
        linear.bias.data = torch.tensor(start[f"bias_{layer}"].copy())
        parts += [linear, LAYERS[activation]()]
    return torch.nn.Sequential(*parts[:-1])


def train_plain(
    settings: dict, name: str, seed: int, images: int
) -> tuple[dict[str, np.ndarray], list[float]]:
    """Last weights, and performance of every step, of a loop that anybody would write."""
    runs = support.stream(settings, [seed], "stacked", images)  # for its problem and initial weights only
    start = runs.network.init(seed, dtype="float64")
    net = plain_network(runs.network.sizes, runs.network.activation, start)
    made, given = OPTIMISERS[name]
    optimiser, performance = made(net.parameters(), **given), []
    for index in range(settings["length"]):
        task = runs.problems[0].task(index)
        for step, row in enumerate(task.order):
            x = torch.tensor(task.rows(np.array([row]))).double()
            y = torch.tensor(task.targets[row : row + 1])
            output = net(x)
            if settings["problem"]["name"] == REGRESSION:
                loss = torch.nn.functional.mse_loss(output[:, 0], y.double())
                performance.append(float(loss))
            else:
                loss = torch.nn.functional.cross_entropy(output, y)
                performance.append(float(output.argmax() == y))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if name.startswith("shrink_and_perturb"):
                perturb(net, seed, index, step)
    return weights_of(net), performance


def perturb(net: torch.nn.Sequential, seed: int, task: int, step: int) -> None:
    """Add 0.001 times the stream's normals to weight_0, bias_0, weight_1, ... in turn; [i, o] in memory order."""
    count = sum(p.numel() for p in net.parameters())
    noise = (
        torch.tensor(streams.normals(streams.Address(streams.NOISE, seed, task, step), count)).double()
        * 0.001
    )
    at = 0
    for p in net.parameters():
        part = noise[at : at + p.numel()]
        p.data += part.view(p.shape[::-1]).T if p.dim() == 2 else part
        at += p.numel()


def weights_of(net: torch.nn.Sequential) -> dict[str, np.ndarray]:
    """In our names and layout."""
    linear = [part for part in net if isinstance(part, torch.nn.Linear)]
    found = {}
    for layer, part in enumerate(linear):
        found[f"weight_{layer}"] = part.weight.detach().numpy().T
        found[f"bias_{layer}"] = part.bias.detach().numpy()
    return found


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("problem", [REGRESSION, DIGITS])
def test_definition_is_plain_torch(name, problem):
    algorithm, others = CHANGES.get(name, ({}, {}))
    given = {**support.hyper(name.split()[0] if name != "linear" else "backprop"), **algorithm}
    activation = "relu" if problem == DIGITS else "tanh" if name == "l2" else "swish"
    measures = {"squared_error" if problem == REGRESSION else "online_accuracy": {"every": 1}}
    settings = support.variant(problem, given, activation=activation, length=2, measures=measures, **others)
    images, seeds = 120, [0, 5]
    runs = support.stream(settings, seeds, "stacked", images)
    for index in range(2):
        support.learn(runs, index)
    (measured,) = support.values(runs).values()
    found = runs.learner.state()["weights"]
    for r, seed in enumerate(seeds):
        weights, performance = train_plain(settings, name, seed, images)
        for key, expected in weights.items():
            np.testing.assert_allclose(found[key][r], expected, atol=1e-11, rtol=0)
        scale = 1 if problem == REGRESSION else 100
        by_task = scale * np.array(performance).reshape(2, -1).mean(axis=1)
        np.testing.assert_allclose(measured[r], by_task, rtol=1e-10)

"""Continual ImageNet's training: the convolutional network, momentum, passes in mini-batches, resets and tests.

Against a loop that anybody would write with nn.Sequential and torch.optim, and for continual backpropagation against
a slow oracle that goes unit by unit.
"""

from __future__ import annotations

import types
from functools import partial

import numpy as np
import pytest
import torch
from fidelity import passes, support
from fidelity.conv_oracle import ConvOracle
from fidelity.passes import CBP

from perennial import streams
from perennial.files import store
from perennial.jobs import outcome
from perennial.learning.algorithms import Clock, _renewal, cbp
from perennial.learning.networks import convnet

SGD = {"name": "backprop", "step_size": 0.05, "momentum": 0.9}
LINEAR, ONE_HIDDEN = {"name": "mlp", "hidden": []}, {"name": "mlp", "hidden": [13]}
# Every algorithm that a convolutional network can have, with all that it does within a few steps.
ALGORITHMS = {
    "backprop": SGD,
    "l2": {"name": "l2", "step_size": 0.05, "momentum": 0.9, "weight_decay": 0.001},
    "shrink_and_perturb": {**support.hyper("shrink_and_perturb"), "momentum": 0.9},
    "dropout": {**support.hyper("dropout"), "momentum": 0.9},
    "adam": support.hyper("adam"),
    "cbp": CBP,
}


# ---- shapes and initial weights


def full() -> convnet.Network:
    return convnet.Network(convnet.Settings(), 3072, 2, (3, 32, 32))


def test_the_published_network_has_177218_parameters():
    net = full()
    weights = net.init(3)
    assert sum(w.size for w in weights.values()) == 177_218 and list(weights) == net.names
    assert [w.shape for name, w in weights.items() if name.startswith("weight")] == [
        (32, 3, 5, 5), (64, 32, 3, 3), (128, 64, 3, 3), (512, 128), (128, 128), (128, 2),
    ]  # fmt: skip
    assert net.images == [(3, 32, 32), (32, 14, 14), (64, 6, 6), (128, 2, 2)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_weights_and_biases_are_those_of_pytorch_s_distribution(dtype):
    weights = full().init(3, task=2, dtype=dtype)
    for layer, fan_in in enumerate([75, 288, 576, 512, 128, 128]):
        w, b = weights[f"weight_{layer}"], weights[f"bias_{layer}"]
        bound = fan_in**-0.5
        assert w.dtype == b.dtype == dtype and w.std() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert 0.97 * bound < np.abs(w).max() <= bound * (1 + 1e-6) >= np.abs(b).max() > 0
        u = streams.uniforms(streams.Address(streams.INIT, 3, task=2, layer=layer), w.size + b.size)
        drawn = (2 * u.astype(np.float64) - 1) * bound
        np.testing.assert_allclose(np.concatenate([w.ravel(), b]), drawn, rtol=1e-5)


def test_numpy_features_are_those_of_the_forward_pass():
    runs = passes.stream(passes.variant(SGD, precision="float32"), [3, 4])
    weights = runs.learner.state()["weights"]
    x = np.stack([problem.test(0)[0] for problem in runs.problems])
    tensors = {name: torch.tensor(w) for name, w in weights.items()}
    _, features = runs.network.forward(tensors, torch.tensor(x))
    for r in range(2):
        own = runs.network.features({name: w[r] for name, w in weights.items()}, x[r])
        assert [h.shape[1] for h in own] == [4 * 14 * 14, 6 * 6 * 6, 8 * 2 * 2, 10, 7]
        for one, other in zip(own, features, strict=True):
            np.testing.assert_allclose(one, other[r].numpy(), rtol=1e-5, atol=1e-6)


# ---- against plain PyTorch


def plain(network: dict, start: dict[str, np.ndarray]) -> torch.nn.Sequential:
    """A plain network with given initial weights."""
    parts: list[torch.nn.Module] = []
    for layer in range(len(start) // 2):
        w, b = torch.tensor(start[f"weight_{layer}"]), torch.tensor(start[f"bias_{layer}"])
        if w.dim() == 4:
            part = torch.nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], dtype=torch.float64)
            parts += [part, torch.nn.ReLU(), torch.nn.MaxPool2d(2, stride=2)]
        else:
            if not any(isinstance(p, torch.nn.Linear) for p in parts):
                parts.append(torch.nn.Flatten())
            part, w = torch.nn.Linear(*w.shape, dtype=torch.float64), w.T.contiguous()
            parts += [part, torch.nn.ReLU()]
        part.weight.data, part.bias.data = w, b
    return torch.nn.Sequential(*parts[:-1])


PLAIN = {
    "momentum": (SGD, {"lr": 0.05, "momentum": 0.9}, passes.CONVNET),
    "momentum and decay": (ALGORITHMS["l2"], {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.001}, passes.CONVNET),
    "decay": ({**ALGORITHMS["l2"], "momentum": 0, "step_size": 0.5}, {"lr": 0.5, "weight_decay": 0.001},
              passes.CONVNET),
    "a linear map": (SGD, {"lr": 0.05, "momentum": 0.9}, LINEAR),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_definition_is_plain_torch(name):
    """Two tasks of 25 passes of 4 mini-batches: 200 steps; the velocity stays, the head starts from zero."""
    algorithm, options, network = PLAIN[name]
    settings = passes.variant(algorithm, network=network, epochs=25)
    runs = passes.stream(settings, [0, 5])
    start = runs.learner.state()["weights"]
    state, measured = passes.finish(runs)
    for r in range(2):
        net = plain(network, {key: w[r] for key, w in start.items()})
        optimiser = torch.optim.SGD(net.parameters(), **options)
        for index in range(2):
            net[-1].weight.data.zero_(), net[-1].bias.data.zero_()
            right = train_plain(net, optimiser, runs.problems[r], index, 25)
            for epoch, (train, test) in enumerate(right):
                assert measured["train_accuracy_by_epoch"][r, index, epoch] == pytest.approx(train)
                assert measured["test_accuracy_by_epoch"][r, index, epoch] == pytest.approx(test)
            assert measured["test_accuracy"][r, index] == pytest.approx(test)
        for layer, part in enumerate(p for p in net if hasattr(p, "weight")):
            w = part.weight.detach().numpy()
            w = w if w.ndim == 4 else w.T
            np.testing.assert_allclose(state["weights"][f"weight_{layer}"][r], w, atol=1e-10, rtol=0)
            np.testing.assert_allclose(
                state["weights"][f"bias_{layer}"][r], part.bias.detach().numpy(), atol=1e-10, rtol=0
            )
    assert measured["test_accuracy"].max() > 90  # it learns


def train_plain(net, optimiser, problem, index: int, epochs: int) -> list[tuple[float, float]]:
    """Percent right in training and in tests, after each pass."""
    task, (inputs, targets) = problem.task(index), problem.test(index)
    shape = (-1, 3, 32, 32) if isinstance(net[0], torch.nn.Conv2d) else (-1, 3072)
    found = []
    for epoch in range(epochs):
        right = 0
        for rows in problem.order(index, epoch).reshape(-1, 5):
            x, y = torch.tensor(task.inputs[rows]).double().reshape(shape), torch.tensor(task.targets[rows])
            output = net(x)
            right += int((output.argmax(1) == y).sum())
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(output, y).backward()
            optimiser.step()
        with torch.no_grad():
            guess = net(torch.tensor(inputs).double().reshape(shape)).argmax(1)
        found.append(
            (100 * right / len(task.targets), 100 * float((guess == torch.tensor(targets)).double().mean()))
        )
    return found


# ---- continual backpropagation against the oracle


def oracle_of(runs, r: int) -> ConvOracle:
    given = cbp.Settings(**{k: v for k, v in runs.settings["algorithm"].items() if k != "name"}).model_dump()
    start = {name: torch.tensor(w[r]) for name, w in runs.learner.state()["weights"].items()}
    layers = range(runs.network.layers)
    weights = [start[f"weight_{n}"] for n in layers]
    weights = [w if w.dim() == 4 else w.T.contiguous() for w in weights]
    weights[-1].zero_()
    biases = [start[f"bias_{n}"] for n in layers]
    biases[-1].zero_()
    return ConvOracle(given, weights, biases, runs.seeds[r])


def expected(oracle: ConvOracle) -> dict[str, np.ndarray]:
    """The oracle's state under the names of the definition's."""
    found = {}
    for layer in range(len(oracle.weights)):
        for path, arrays in (
            ("weights", (oracle.weights, oracle.biases)),
            ("optimiser/velocity", oracle.velocity),
        ):
            w = arrays[0][layer].numpy()
            found[f"{path}/weight_{layer}"] = w if w.ndim == 4 else w.T
            found[f"{path}/bias_{layer}"] = arrays[1][layer].numpy()
    for layer, units in enumerate(oracle.units):
        place = f"algorithm/hidden_{layer}"
        found[f"{place}/utility"] = np.array([unit.utility for unit in units])
        found[f"{place}/mean_feature"] = np.array([unit.mean for unit in units])
        found[f"{place}/age"] = np.array([unit.age for unit in units])
        found[f"{place}/saved"] = np.array(oracle.saved[layer])
    return found


CHANGES = {
    "the published settings": {},
    "share of mature units": {"count": "eligible"},
    "means into the next biases": {"bias_transfer": "on", "weight_decay": 0},
    "forgotten velocities": {"renewed_velocity": "zero"},
    "many at once": {"replacement_rate": 0.3},
    **{
        kind: {"utility": kind}
        for kind in ("contribution", "zero_contribution", "adaptation", "weight", "feature_by_input")
    },
}


def renewals(changes: dict, monkeypatch) -> list[tuple[int, int]]:
    """Train beside the oracle, step by step; the (layer, unit) pairs renewed."""
    runs = passes.stream(passes.variant({**CBP, **changes}, length=1, epochs=12), [0, 3])
    seen: dict[tuple[int, int], tuple] = {}
    renewed: list = []
    renew = cbp.renew

    def watch_renew(settings, layer, state, chosen, due, fresh):
        renewed.extend((layer.index, unit) for unit in chosen[due].tolist())
        renew(settings, layer, state, chosen, due, fresh)

    def watch_update(settings, networks, state, gradients, features, clock, rate):
        renewed.clear()
        cbp.update(settings, networks, state, gradients, features, clock, rate)
        after = {path: array[0].numpy().copy() for path, array in support.leaves(state)}
        seen[clock.seeds[0], clock.step] = list(renewed), after

    monkeypatch.setattr(cbp, "renew", watch_renew)
    monkeypatch.setattr(runs.learner, "algorithm", types.SimpleNamespace(update=watch_update))
    oracles = [oracle_of(runs, r) for r in range(2)]
    support.learn(runs, 0)
    total = []
    for r, oracle in enumerate(oracles):
        task = runs._task(runs.problems[r], 0)
        for step in range(task.steps):
            rows = task.order[5 * step : 5 * step + 5]
            x = torch.tensor(task.inputs[rows]).double().view(-1, 3, 32, 32)
            oracle.step(x, torch.tensor(task.targets[rows]), step)
            own, after = seen[oracle.seed, step]
            assert own == oracle.renewed, (r, step)
            total += own
            wanted = expected(oracle)
            assert after.keys() == wanted.keys()
            for path, value in wanted.items():
                np.testing.assert_allclose(
                    after[path], value, rtol=1e-9, atol=1e-11, err_msg=f"{r} {step} {path}"
                )
    return total


@pytest.mark.parametrize("name", CHANGES)
def test_continual_backpropagation_is_the_oracle_s(name, monkeypatch):
    total = renewals(CHANGES[name], monkeypatch)
    assert {layer for layer, _ in total} == set(range(5)) and len(total) >= 40
    assert len(set(total)) >= 15  # of 35 units


@pytest.mark.parametrize("layer", range(5))
def test_a_new_unit_is_not_noticed(layer):
    """Where nothing listened to a unit, the outputs stay what they were, to the last bit."""
    runs = passes.stream(passes.variant(CBP), [0])
    support.learn(runs, 0)
    state, net, unit = runs.learner._states[0], runs.network, 2
    x = torch.tensor(runs.problems[0].test(0)[0]).double()[None]
    net.outgoing(state["weights"], layer)[0, unit] = 0
    before, old = net.forward(state["weights"], x)[0], state["weights"][f"weight_{layer}"].clone()
    settings = cbp.Settings(**{k: v for k, v in CBP.items() if k != "name"})
    of_layer, chosen = runs.networks.layer("net", layer), torch.tensor([[unit]])
    (fresh,) = _renewal.fresh_weights([of_layer], state["weights"], [chosen], Clock([0], 0, 7))
    cbp.renew(settings, of_layer, state, chosen, torch.tensor([[True]]), fresh)
    assert torch.equal(net.forward(state["weights"], x)[0], before) and before.abs().sum() > 0
    changed = (state["weights"][f"weight_{layer}"] != old).nonzero()
    assert set(changed[:, 1 if layer < 3 else 2].tolist()) == {unit}
    assert state["weights"][f"bias_{layer}"][0, unit] == 0


# ---- a run's bits are its own


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("network", [passes.CONVNET, LINEAR, ONE_HIDDEN], ids=["convnet", "linear", "mlp"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_stack_does_not_matter(algorithm, network, precision):
    settings = passes.variant(ALGORITHMS[algorithm], network=network, precision=precision)
    seeds = list(range(7))
    whole, measured = passes.finish(passes.stream(settings, seeds))
    for block in ([6, 1, 3], [4]):
        part, also = passes.finish(passes.stream(settings, block))
        for place, seed in enumerate(block):
            assert outcome.digest(part, place) == outcome.digest(whole, seed)
            assert all(also[name][place].tobytes() == measured[name][seed].tobytes() for name in also)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_cut_changes_no_bit(algorithm, tmp_path):
    settings = passes.variant(ALGORITHMS[algorithm], precision="float32")
    whole, measured = passes.finish(passes.stream(settings, [3, 8]))
    runs = passes.stream(settings, [3, 8])
    parts = runs.pieces_of(0)
    for cut in range(6):
        next(parts, None)
        kept = runs.snapshot()
        store.write(tmp_path / "cut.h5", partial(store.write_tree, name="kept", tree=kept))
        with store.open_checked(tmp_path / "cut.h5") as file:
            kept = store.read_tree(file["kept"])
        runs = passes.stream(settings, [3, 8])
        runs.restore(kept)
        assert (runs.tasks, runs.steps) == ((cut + 1) // 3, 4 * (cut + 1))
        parts = runs.pieces_of(runs.tasks)
    state, again = passes.finish(runs)
    assert support.same_bits(state, whole)
    assert all(again[name].tobytes() == measured[name].tobytes() for name in measured)

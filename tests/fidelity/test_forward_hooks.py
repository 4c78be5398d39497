"""Algorithms that change the forward pass: the contract they share, and dropout against plain PyTorch."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial import procedures, registry, streams
from perennial.files import store
from perennial.jobs import sequences, training
from perennial.learning import algorithms, engines, tree, views
from perennial.learning.algorithms import Clock, backprop, dropout
from perennial.learning.engines import stacked
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.mlp import Network
from perennial.learning.networks.mlp import Settings as Shape
from perennial.problems import Task
from perennial.streams import Address

CHANGERS = {
    "dropout": support.hyper("dropout"),
    "online_normalisation": support.hyper("online_normalisation"),
    "layer_scaling": {**support.hyper("online_normalisation"), "guard": "layer_scaling"},
}
INTERNALS = {name: {"every": 1} for name in ("dead_units", "weight_magnitude", "effective_rank")}


# ---- the contract


def test_only_those_that_say_so_change_the_forward_pass():
    found = {
        name: set(algorithms.hooks(registry.module("algorithms", name), None, {}, None, None, "net"))
        for name in support.SHIPPED
    }
    assert found.pop("dropout") == {"post_activation"}
    assert found.pop("online_normalisation") == {"pre_activation"}
    assert found and not any(found.values())


def test_hooks_stand_before_and_after_the_activation_of_hidden_layers():
    net = Network(Shape(hidden=[4, 3]), 5, 2)
    weights = {name: torch.tensor(w)[None] for name, w in net.init(0, dtype="float64").items()}
    x = torch.linspace(-1, 1, 10, dtype=torch.float64).view(1, 2, 5)
    scale, move = torch.tensor([2.0, 3.0]), torch.tensor([0.25, 0.5])
    outputs, features = net.forward(weights, x, lambda k, z: z * scale[k], lambda k, h: h + move[k])
    h = x[0]
    for k in range(2):
        h = torch.relu((h @ weights[f"weight_{k}"][0]) * scale[k]) + move[k]
        torch.testing.assert_close(features[k][0], h)
    torch.testing.assert_close(outputs[0], h @ weights["weight_2"][0])


def user_s_algorithm() -> types.ModuleType:
    """Backprop with a learnt gain of each unit, as a user would write it."""
    module = types.ModuleType("user_s_algorithm")
    module.update = backprop.update
    module.post_activation = lambda settings, state, layer, h, clock: (
        h * state["weights"][layer.name("gain")].unsqueeze(1)
    )
    module.init = lambda settings, networks, weights: {
        **backprop.init(settings, networks, weights),
        "weights": {**weights, "gain_0": torch.full_like(weights["bias_0"], 1.5)},
    }
    return module


def test_an_algorithm_s_own_weights_are_learnt():
    """Of one hidden layer; the gradient by finite differences of the squared error."""
    net, made = Network(Shape(hidden=[5], activation="tanh"), 20, 1), user_s_algorithm()
    loss = LossSpec("squared_error")
    need = Need({NETWORK: {"name": "mlp"}}, support.hyper("backprop"), loss)
    learner = stacked.StackedLearner(need, views.single(net), [0])
    learner.algorithm = made
    learner.load({"weights": {name: w[None] for name, w in net.init(0, dtype="float64").items()}})
    before = learner.state()["weights"]
    x, y = np.linspace(0, 1, 20), 0.7

    def error(gain: np.ndarray) -> float:
        h = np.tanh(x @ before["weight_0"][0] + before["bias_0"][0]) * gain
        return float((h @ before["weight_1"][0][:, 0] + before["bias_1"][0, 0] - y) ** 2)

    learner.train([Task(x[None], np.array([y]), np.array([0]))], 0)
    moved = learner.state()["weights"]["gain_0"][0] - 1.5
    bump = 1e-6 * np.eye(5)
    slope = [(error(1.5 + d) - error(1.5 - d)) / 2e-6 for d in bump]
    np.testing.assert_allclose(moved, -0.01 * np.array(slope), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", CHANGERS)
def test_no_engine_but_the_stacked_one(name):
    settings = support.variant(DIGITS, CHANGERS[name])
    assert engines.choose(procedures.need(settings), device="cpu") == "stacked"
    with pytest.raises(engines.Unsupported, match="has no file in engines/fused") as caught:
        engines.choose(procedures.need(settings), "fused")
    assert CHANGERS[name]["name"] in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("problem", [REGRESSION, DIGITS])
@pytest.mark.parametrize("name", CHANGERS)
def test_a_run_does_not_know_its_neighbours(name, problem, precision):
    """To the last bit, whatever the block and the order in it; no layer fills whole vectors."""
    changes = {"flip_every": 25} if problem == REGRESSION else {"hidden": [21, 13]}
    settings = support.variant(problem, CHANGERS[name], precision=precision, length=2, **changes)
    seeds = [4, 0, 7, 1, 3, 2, 9, 5]
    alone = {seed: support.train(settings, [seed], "stacked", 25) for seed in seeds}
    for block in (seeds, seeds[::-1], seeds[2:4], seeds[5:3:-1]):
        together = support.train(settings, block, "stacked", 25)
        for r, seed in enumerate(block):
            assert support.same_bits(tree.run_of(together, r), alone[seed]), (block, seed)


@pytest.mark.parametrize("name", CHANGERS)
def test_a_resumed_run_goes_on_as_if_nothing_had_been(name):
    settings = support.variant(DIGITS, CHANGERS[name], precision="float32", length=3)
    through = support.stream(settings, [0, 3], "stacked", 80)
    for index in range(3):
        support.learn(through, index)
        if index == 1:
            saved = through.learner.state()
    resumed = support.stream(settings, [0, 3], "stacked", 80)
    resumed.learner.load(saved)
    support.learn(resumed, 2)
    assert support.same_bits(through.learner.state(), resumed.learner.state())
    assert not support.same_bits(saved, resumed.learner.state(), "weights")


@pytest.mark.parametrize("name", CHANGERS)
def test_looking_changes_nothing_and_sees_the_same_twice(name):
    looked = support.variant(DIGITS, CHANGERS[name], measures=INTERNALS)
    runs, blind = (
        support.stream(given, [0, 1], "stacked", 60)
        for given in (looked, support.variant(DIGITS, CHANGERS[name]))
    )
    for index in range(2):
        support.learn(runs, index)
        support.learn(blind, index)
    assert support.same_bits(runs.learner.state(), blind.learner.state())
    state = tree.run_of(runs.learner.state(), 1)
    x = runs.problems[1].probe(runs.problems[1].task(1)).astype(np.float64)
    once, again = (stacked.probe(CHANGERS[name], runs.networks, state, x) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    alone = support.stream(looked, [1], "stacked", 60)
    for index in range(2):
        support.learn(alone, index)
    for measure in INTERNALS:
        pair = support.values(runs)[measure]
        assert np.array_equal(pair[1:], support.values(alone)[measure]), measure


PUBLISHED = {"probability": 0.1, "forward_decay": 0.999, "backward_decay": 0.99}


@pytest.mark.parametrize("name", ["dropout", "online_normalisation"])
def test_it_learns_the_digits(name, tmp_path):
    """A block as the workflow trains it, written to a file and read again. By chance 10 % are right."""
    given = {key: PUBLISHED.get(key, value) for key, value in CHANGERS[name].items()}
    measures = {"online_accuracy": {"every": 1}, **INTERNALS}
    settings = support.variant(
        DIGITS, given, hidden=[60, 60], precision="float32", length=1, measures=measures
    )
    sequence, output, images = (tmp_path / f"{part}.h5" for part in ("sequence", "run", "images"))
    sequences.make_block({key: settings[key] for key in ("problem", "length")}, [0], sequence)
    store.write(images, lambda file: [file.create_dataset(k, data=v) for k, v in support.digits().items()])
    training.train_block(settings, [0], output, sequences=[sequence], dataset=images)
    with store.open_checked(output) as file:
        assert file.attrs["engine"] == "stacked"
        assert file["seed_0000/online_accuracy"][0] > 65
        assert all(np.isfinite(file[f"seed_0000/{measure}"][:]).all() for measure in INTERNALS)


def hidden(widths: list[int]) -> list[views.HiddenLayer]:
    """The hidden layers of a fully connected network, as algorithms see them."""
    return views.single(Network(Shape(hidden=widths), 5, 2)).hidden


# ---- dropout


class Mask(torch.nn.Module):
    """Dropout whose mask is told from outside, [units]."""

    mask = None

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h * self.mask / (1 - 0.2)


def test_dropout_is_plain_torch_with_the_same_mask():
    settings = support.variant(DIGITS, support.hyper("dropout"), activation="tanh", length=2)
    found = support.train(settings, [0, 5], "stacked", 60)["weights"]
    for r, seed in enumerate((0, 5)):
        runs = support.stream(settings, [seed], "stacked", 60)
        start, masks = runs.network.init(seed, dtype="float64"), [Mask(), Mask()]
        linear = [torch.nn.Linear(i, o, dtype=torch.float64) for i, o in ((64, 40), (40, 40), (40, 10))]
        for layer, part in enumerate(linear):
            part.weight.data = torch.tensor(start[f"weight_{layer}"].T.copy())
            part.bias.data = torch.tensor(start[f"bias_{layer}"])
        net = torch.nn.Sequential(
            linear[0], torch.nn.Tanh(), masks[0], linear[1], torch.nn.Tanh(), masks[1], linear[2]
        )
        optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
        for index in range(2):
            task = runs.problems[0].task(index)
            for step, row in enumerate(task.order):
                for layer, mask in enumerate(masks):
                    u = streams.uniforms(Address(streams.DROPOUT, seed, index, step, layer), 40)
                    mask.mask = torch.tensor(u >= 0.2).double()
                x = torch.tensor(task.rows(np.array([row]))).double()
                optimiser.zero_grad()
                torch.nn.functional.cross_entropy(
                    net(x), torch.tensor(task.targets[row : row + 1])
                ).backward()
                optimiser.step()
        for layer, part in enumerate(linear):
            weight, bias = part.weight.detach().numpy().T, part.bias.detach().numpy()
            np.testing.assert_allclose(found[f"weight_{layer}"][r], weight, rtol=0, atol=1e-12)
            np.testing.assert_allclose(found[f"bias_{layer}"][r], bias, rtol=0, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("problem", [REGRESSION, DIGITS])
def test_dropout_of_nothing_is_backprop(problem, precision):
    measure = {"squared_error" if problem == REGRESSION else "online_accuracy": {"every": 1}}
    found, measured = [], []
    for given in ({"name": "dropout", "step_size": 0.01, "probability": 0}, support.hyper("backprop")):
        settings = support.variant(problem, given, precision=precision, measures=dict(measure))
        runs = support.stream(settings, [0, 1, 2], "stacked", 100)
        for index in range(2):
            support.learn(runs, index)
        found.append(runs.learner.state())
        measured += list(support.values(runs).values())
    assert support.same_bits(*found) and np.array_equal(*measured)


@pytest.mark.parametrize("probability", [0.03, 0.1, 0.3])
def test_share_left_out_and_scale_of_the_rest(probability):
    given, h = dropout.Settings(step_size=1, probability=probability), torch.ones(2, 1, 2000)
    layer = hidden([2000, 2000])[1]
    found = torch.stack(
        [dropout.post_activation(given, {}, layer, h, Clock([0, 1], 0, k)) for k in range(50)]
    )
    n = found.numel()
    left_out = float((found == 0).double().mean())
    assert abs(left_out - probability) < 4 * (probability * (1 - probability) / n) ** 0.5
    np.testing.assert_allclose(found[found != 0], 1 / (1 - probability), rtol=1e-6)


def test_masks_differ_between_runs_tasks_steps_layers_and_examples():
    given, h = dropout.Settings(step_size=1, probability=0.5), torch.ones(1, 2, 64)
    places = [([0], 0, 0, 0), ([1], 0, 0, 0), ([0], 1, 0, 0), ([0], 0, 1, 0), ([0], 0, 0, 1)]
    layers = hidden([64, 64])
    masks = [dropout.post_activation(given, {}, layers[n], h, Clock(*clock)) for *clock, n in places]
    rows = torch.cat(masks, 1)[0]  # two examples each
    assert len({tuple(row.tolist()) for row in rows}) == 2 * len(places)


def test_dropout_is_off_in_probes():
    settings = support.variant(DIGITS, support.hyper("dropout"), activation="swish", length=1)
    runs = support.stream(settings, [0], "stacked", 60)
    support.learn(runs, 0)
    state = tree.run_of(runs.learner.state(), 0)
    x = runs.problems[0].probe(runs.problems[0].task(0)).astype(np.float64)
    plain = runs.network.features({name: w[0] for name, w in state["weights"].items()}, x)
    for ours, theirs in zip(
        stacked.probe(settings["algorithm"], runs.networks, state, x), plain, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)

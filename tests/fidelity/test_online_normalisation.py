"""Online normalisation against a slow oracle, its switches worked by hand, and what a probe sees of it."""

from __future__ import annotations

import inspect
import types

import numpy as np
import pytest
import torch
from fidelity import support
from fidelity.normalisation_oracle import Oracle, Unit
from fidelity.support import DIGITS, REGRESSION

from perennial.learning import tree, views
from perennial.learning.algorithms import Clock, online_normalisation
from perennial.learning.engines import stacked
from perennial.learning.networks.mlp import Network
from perennial.learning.networks.mlp import Settings as Shape

SEEDS, STEPS = [0, 3], 60


def options(**changes) -> dict:
    """Short memories, so that everything moves within a few steps."""
    base = {"name": "online_normalisation", "step_size": 0.01, "forward_decay": 0.9, "backward_decay": 0.8}
    return {**base, **changes}


def parsed(given: dict) -> online_normalisation.Settings:
    return online_normalisation.Settings(**{k: v for k, v in given.items() if k != "name"})


def small(algorithm: dict, activation: str = "tanh") -> dict:
    """A network 6-4-3-1 on a small regression."""
    problem = {"inputs": 6, "slow_bits": 3, "target_units": 9, "flip_every": STEPS}
    return support.variant(REGRESSION, algorithm, hidden=[4, 3], activation=activation, length=1, **problem)


# ---- against the oracle


def disagreements(settings: dict, module: types.ModuleType) -> set[str]:
    """Arrays of the last state that differ from the oracle's by more than 1e-10; also that enough happened."""
    runs = support.stream(settings, SEEDS, "stacked")
    runs.learner.algorithm = module
    support.learn(runs, 0)
    state, found, clipped = dict(support.leaves(runs.learner.state())), set(), 0
    for r, seed in enumerate(SEEDS):
        start = runs.network.init(seed, dtype="float64")
        weights = [start[f"weight_{layer}"].T.tolist() for layer in range(3)]
        biases = [start[f"bias_{layer}"].tolist() for layer in range(3)]
        given = parsed(settings["algorithm"]).model_dump()
        oracle = Oracle(given, runs.network.activation, weights, biases, online_normalisation.CLAMP)
        shown = runs.problems[r].task(0)
        for example in shown.order:
            oracle.step(shown.inputs[example].tolist(), float(shown.targets[example]))
        wanted, clipped = expected(oracle), clipped + oracle.clipped
        assert state.keys() == wanted.keys(), sorted(state.keys() ^ wanted.keys())
        found |= {
            path for path in wanted if not np.allclose(state[path][r], wanted[path], rtol=0, atol=1e-10)
        }
    assert clipped or settings["algorithm"]["guard"] == "none"
    return found


def expected(oracle: Oracle) -> dict[str, np.ndarray]:
    """The oracle's state under the names of the definition's."""
    found = {}
    for layer, (rows, biases) in enumerate(zip(oracle.weights, oracle.biases, strict=True)):
        found[f"weights/weight_{layer}"], found[f"weights/bias_{layer}"] = np.array(rows).T, np.array(biases)
    for layer, units in enumerate(oracle.units):
        for name in ("mean", "variance", "error_1", "error_2"):
            found[f"algorithm/hidden_{layer}/{name}"] = np.array([getattr(unit, name) for unit in units])
        if oracle.options["affine"] == "learned":
            for name in ("gain", "shift"):
                found[f"weights/{name}_{layer}"] = np.array([getattr(unit, name) for unit in units])
    return found


@pytest.mark.parametrize("affine", ["learned", "none"])
@pytest.mark.parametrize("guard", ["none", "clamp", "layer_scaling"])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_definition_is_the_oracle(activation, guard, affine, monkeypatch):
    monkeypatch.setattr(online_normalisation, "CLAMP", 0.8)  # 5 is seldom met in so few steps
    given = options(affine=affine, guard=guard)
    assert disagreements(small(given, activation), online_normalisation) == set()


# A copy of the definition with one mistake: what is written, and what is written instead.
MISTAKES = {
    "variance about the new mean": (
        "        variance.mul_(a).add_(a * (1 - a) * (deviation * deviation))\n"
        "        mean.add_((1 - a) * deviation)\n",
        "        mean.add_((1 - a) * deviation)\n"
        "        variance.mul_(a).add_(a * (1 - a) * ((x - mean) * (x - mean)))\n",
    ),
    "variance without its second factor": ("a * (1 - a) * (deviation", "(1 - a) * (deviation"),
    "statistics of the example itself": ("(z - torch.stack(means, 1))", "(z - mean.unsqueeze(1))"),
    "no epsilon": ("roots.append(_root(variance + settings.epsilon))", "roots.append(_root(variance))"),
    "first control is off": ('y.register_hook(_control(settings, units["error_1"], y.detach()))', "pass"),
    "second control is off": ('z.register_hook(_control(settings, units["error_2"], None))', "pass"),
    "controls with the wrong decay": ("(1 - settings.backward_decay)", "(1 - settings.forward_decay)"),
    "controls push the wrong way": ("g = g - (1", "g = g + (1"),
    "errors of the raw gradient": (
        "            g = g - (1 - settings.backward_decay) * error * direction\n"
        "            error.add_(g * direction)\n",
        "            step = (1 - settings.backward_decay) * error * direction\n"
        "            error.add_(g * direction)\n            g = g - step\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*MISTAKES, None])
def test_a_wrong_copy_disagrees_with_the_oracle(name):
    source = inspect.getsource(online_normalisation)
    if name:
        right, wrong = MISTAKES[name]
        assert source.count(right) == 1, f"the definition no longer reads {right!r}: adapt this test"
        source = source.replace(right, wrong)
    copy = types.ModuleType("a_copy")
    exec(compile(source, "a_copy", "exec"), copy.__dict__)
    found = disagreements(small(options(guard="none")), copy)
    assert bool(found) == bool(name), found


def test_a_batch_is_its_examples_one_after_the_other():
    """Forward and backward, against single units of the oracle."""
    given, net = parsed(options(guard="none")), Network(Shape(hidden=[5]), 2, 1)
    networks = views.single(net)
    torch.manual_seed(0)
    weights = {name: torch.tensor(w)[None].repeat(3, *[1] * w.ndim) for name, w in net.init(0).items()}
    weights = {name: w.double() for name, w in weights.items()}
    state = {**online_normalisation.init(given, networks, weights)}
    units = [[Unit(given.model_dump()) for _ in range(5)] for _ in range(3)]
    for _ in range(4):
        z = torch.randn(3, 7, 5, dtype=torch.float64, requires_grad=True)
        g = torch.randn(3, 7, 5, dtype=torch.float64)
        y = online_normalisation.pre_activation(given, state, networks.hidden[0], z, Clock([0, 1, 2], 0, 0))
        (back,) = torch.autograd.grad((y * g).sum(), z)
        ys, zs, backs, gs = (tensor.detach().tolist() for tensor in (y, z, back, g))
        for r in range(3):
            for h, unit in enumerate(units[r]):
                unit.options["step_size"] = 0.0  # no update here
                seen = []
                for b in range(7):
                    assert ys[r][b][h] == pytest.approx(unit.forward(zs[r][b][h]), abs=1e-12)
                    seen.append((unit.y, unit.sigma))
                for b, (unit.y, unit.sigma) in enumerate(seen):
                    assert backs[r][b][h] == pytest.approx(unit.backward(gs[r][b][h]), abs=1e-12)


def test_long_run_statistics_and_gradients():
    """On a steady stream outputs have mean 0 and variance 1, and gradients lose their mean and what lies along y."""
    given, net = parsed(options(forward_decay=0.99, backward_decay=0.99)), Network(Shape(hidden=[50]), 2, 1)
    networks = views.single(net)
    start = {name: torch.tensor(w)[None].double() for name, w in net.init(0).items()}
    state = online_normalisation.init(given, networks, start)
    random = np.random.default_rng(0)
    outputs, before, after = [], [], []
    for _ in range(6000):
        z = torch.tensor(3 + 2 * random.normal(size=(1, 1, 50)), requires_grad=True)
        y = online_normalisation.pre_activation(given, state, networks.hidden[0], z, Clock([0], 0, 0))
        g = (0.5 + 0.7 * y.detach()).clone() + torch.tensor(random.normal(size=(1, 1, 50)))
        (back,) = torch.autograd.grad((y * g).sum(), z)
        outputs.append(y.detach().numpy().ravel())
        before.append(g.numpy().ravel())
        after.append(back.numpy().ravel())
    y, g, back = (np.array(values)[1000:] for values in (outputs, before, after))
    assert abs(y.mean()) < 0.02 and y.var() == pytest.approx(1, abs=0.05)
    assert g.mean() == pytest.approx(0.5, abs=0.02) and (g * y).mean() == pytest.approx(0.7, abs=0.05)
    assert abs(back.mean()) < 0.01 and abs((back * y).mean()) < 0.01
    assert back.std() == pytest.approx(0.5, abs=0.05)  # the rest, divided by sigma = 2


# ---- switches, worked by hand

TWO_UNITS = views.single(Network(Shape(hidden=[2]), 3, 1))


def two_units(**changes) -> tuple[online_normalisation.Settings, dict]:
    """Settings and state of one run with two hidden units whose statistics are at (1, 4) and (-2, 9)."""
    given = parsed(options(epsilon=1e-12, **changes))
    weights = {
        name: torch.tensor(w)[None] for name, w in TWO_UNITS.views["net"].init(0, 0, "float32").items()
    }
    state = online_normalisation.init(given, TWO_UNITS, weights)
    units = state["algorithm"]["hidden_0"]
    units["mean"], units["variance"] = torch.tensor([[1.0, -2.0]]), torch.tensor([[4.0, 9.0]])
    return given, state


def out_of(given: online_normalisation.Settings, state: dict, z: list) -> np.ndarray:
    clock = Clock([0], 0, 0)
    layer = TWO_UNITS.hidden[0]
    return online_normalisation.pre_activation(given, state, layer, torch.tensor(z)[None], clock)[0].numpy()


@pytest.mark.parametrize(
    ("affine", "by_hand"), [("none", [2.0, -1.0]), ("learned", [2 * 3 + 0.5, -1 * 0.1 + 4])]
)
def test_affine_is_gain_and_shift_of_each_unit(affine, by_hand):
    given, state = two_units(affine=affine, guard="none")
    assert ("gain_0" in state["weights"]) == ("shift_0" in state["weights"]) == (affine == "learned")
    if affine == "learned":
        assert (state["weights"]["gain_0"] == 1).all() and (state["weights"]["shift_0"] == 0).all()
        state["weights"] |= {"gain_0": torch.tensor([[3.0, 0.1]]), "shift_0": torch.tensor([[0.5, 4.0]])}
    np.testing.assert_allclose(out_of(given, state, [[5.0, -5.0]])[0], by_hand, rtol=1e-6)


@pytest.mark.parametrize(
    ("guard", "by_hand"),
    [
        ("none", [7.0, -1.0]),
        ("clamp", [5.0, -1.0]),
        ("layer_scaling", [7 / 5, -1 / 5]),
    ],  # sqrt((49 + 1) / 2) = 5
)
def test_guard(guard, by_hand):
    given, state = two_units(guard=guard)
    np.testing.assert_allclose(out_of(given, state, [[15.0, -5.0]])[0], by_hand, rtol=1e-6)


@pytest.mark.parametrize("rule", ["kaiming", "unit_gain"])
def test_initialisation(rule):
    """unit_gain: uniform within sqrt(3 / fan_in) in the hidden layers too; the output layer has gain 1 anyway."""
    settings = support.variant(DIGITS, options(initialisation=rule), hidden=[200, 100])
    runs = support.stream(settings, [0], "stacked")
    weights = runs.learner.state()["weights"]
    gain = 2**0.5 if rule == "kaiming" else 1
    for layer, (fan_in, g) in enumerate(((64, gain), (200, gain), (100, 1))):
        bound = g * (3 / fan_in) ** 0.5
        largest = np.abs(weights[f"weight_{layer}"]).max()
        assert 0.98 * bound < largest <= bound


def fresh_rank(**changes) -> float:
    """Mean effective rank of a fresh 784-400x3-10 on 400 examples, percent of the units."""
    random = np.random.default_rng(1)
    x = random.random((400, 784)) * (random.random((400, 784)) < 0.2)  # sparse and positive, as digits are
    settings, net = options(forward_decay=0.99, **changes), Network(Shape(hidden=[400] * 3), 784, 10)
    weights = {name: torch.tensor(w)[None] for name, w in net.init(0, dtype="float64").items()}
    networks = views.single(net)
    state = {"weights": weights, **online_normalisation.init(parsed(settings), networks, weights)}
    found = []
    for h in stacked.probe(settings, networks, tree.numbers(state), x):
        p = np.linalg.svd(h, compute_uv=False)
        p = p[p > 0] / p.sum()
        found.append(100 * np.exp(-(p * np.log(p)).sum()) / 400)
    return float(np.mean(found))


@pytest.mark.parametrize("kind", ["following", "stored"])
def test_probe(kind):
    """By hand, two examples: with mean 1 and variance 4, inputs 5 and 1 give 2, and then 0 or what follows from it."""
    given, state = two_units(guard="none", affine="none", probe=kind)
    z = torch.tensor([[[5.0, -2.0], [1.0, -2.0]]])
    found = online_normalisation.pre_activation(given, state, TWO_UNITS.hidden[0], z, None)[0].numpy()
    mean, variance = 1 + 0.1 * 4, 0.9 * 4 + 0.9 * 0.1 * 16
    second = {"stored": 0.0, "following": (1 - mean) / variance**0.5}[kind]
    np.testing.assert_allclose(found[:, 0], [2.0, second], rtol=1e-6)
    assert state["algorithm"]["hidden_0"]["mean"].tolist() == [[1.0, -2.0]]
    assert state["algorithm"]["hidden_0"]["variance"].tolist() == [[4.0, 9.0]]


def test_a_probe_that_follows_sees_more_dimensions_in_a_fresh_network():
    """What the published effective rank of the first task tells about the authors' code."""
    assert fresh_rank(probe="following") > fresh_rank(probe="stored") + 3


# ---- as a network


def test_stored_statistics_in_a_probe_are_the_network_by_hand():
    settings = support.variant(DIGITS, options(probe="stored", guard="none"), activation="tanh", length=1)
    runs = support.stream(settings, [2], "stacked", 200)
    support.learn(runs, 0)
    state = tree.run_of(runs.learner.state(), 0)
    x = runs.problems[0].probe(runs.problems[0].task(0)).astype(np.float64)
    own = {name: w[0] for name, w in state["weights"].items()}
    features, h = stacked.probe(settings["algorithm"], runs.networks, state, x), x
    assert len(features) == 2
    for layer in range(2):
        units = {name: values[0] for name, values in state["algorithm"][f"hidden_{layer}"].items()}
        z = h @ own[f"weight_{layer}"] + own[f"bias_{layer}"]
        y = (z - units["mean"]) / np.sqrt(units["variance"] + 1e-5)
        h = np.tanh(y * own[f"gain_{layer}"] + own[f"shift_{layer}"])
        np.testing.assert_allclose(features[layer], h, atol=1e-12)


def test_weight_magnitude_leaves_gains_and_shifts_out():
    settings = support.variant(DIGITS, options(), measures={"weight_magnitude": {"every": 1}}, length=1)
    runs = support.stream(settings, [0], "stacked", 10)
    support.learn(runs, 0)
    start = runs.network.init(0, dtype="float64")
    matrices = np.concatenate([start[f"weight_{layer}"].ravel() for layer in range(3)])
    (measured,) = support.values(runs).values()
    assert measured[0, 0] == pytest.approx(np.abs(matrices).mean(), rel=1e-12)


def test_a_network_without_hidden_layers_is_backprop_s():
    found = [
        support.train(support.variant(REGRESSION, given, hidden=[]), [0], "stacked")
        for given in (options(), {"name": "backprop", "step_size": 0.01})
    ]
    assert support.same_bits(*found, "weights")

"""Methods that change how weights move, or what is seen: layer normalisation, projection, gates, a slow copy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.tiny import CASES, SEEDS
from methods.steps import hyper, steps

from perennial import registry, streams
from perennial.learning import algorithms, tree
from perennial.learning.engines import stacked
from perennial.streams import Address

RATE = 0.05


def outputs(name: str, state, x, **settings):
    """Outputs and hidden activations of a state of tensors under an algorithm's hooks, as a probe sees them."""
    networks = CASES["online"].networks()
    module, own = (
        registry.module("algorithms", name),
        registry.parse("algorithms", {"name": name, **settings}),
    )
    hooks = algorithms.hooks(module, own, state, None, networks, "net")
    return networks.views["net"].network.forward(state["weights"], x, **hooks)


def begun(name: str, **settings):
    return tree.each(torch.tensor, CASES["online"].learner({"name": name, **settings}).state())


# ---- layer normalisation


def test_it_is_torch_s_own():
    state, x = begun("layer_norm"), torch.tensor(np.random.default_rng(1).normal(size=(3, 7, 6)))
    state["weights"]["gain_0"] += torch.arange(5) / 10
    state["weights"]["shift_0"] -= torch.arange(5) / 7
    _, (hidden, _) = outputs("layer_norm", state, x)
    w = state["weights"]
    for run in range(3):
        z = x[run] @ w["weight_0"][run] + w["bias_0"][run]
        y = torch.nn.functional.layer_norm(z, (5,), w["gain_0"][run], w["shift_0"][run])
        torch.testing.assert_close(hidden[run], torch.tanh(y), rtol=1e-12, atol=1e-12)


def test_the_scale_of_incoming_weights_does_not_matter():
    """But for what is added to the variance: weights are large here."""
    state, x = begun("layer_norm"), torch.tensor(np.random.default_rng(1).normal(size=(3, 7, 6)))
    for name in ("weight_0", "bias_0", "weight_1", "bias_1"):
        state["weights"][name] *= 1e4
    one, _ = outputs("layer_norm", state, x)
    for name in ("weight_1", "bias_1"):
        state["weights"][name] *= 3
    other, _ = outputs("layer_norm", state, x)
    torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)


def test_without_gains_nothing_joins_the_weights_and_with_them_they_are_learnt():
    assert not [name for name in begun("layer_norm", affine="none")["weights"] if name.startswith("gain")]
    own = hyper("layer_norm", weight_decay=0.5)
    for step in steps(own, 3):
        for name, w in step.before["weights"].items():
            decay = 0 if name.startswith(("gain", "shift")) else 0.5
            expected = w - RATE * (step.gradients[name] + decay * w)
            np.testing.assert_allclose(step.after["weights"][name], expected, rtol=1e-13)
    decayed = next(iter(steps({**own, "decay": "all"}, 1))).after["weights"]["gain_0"]
    assert (decayed < next(iter(steps(own, 1))).after["weights"]["gain_0"]).all()


def test_all_channels_and_places_of_an_example_are_normalised_together():
    case, own = CASES["convolutions"], {"name": "layer_norm"}
    networks = case.networks()
    state = tree.each(torch.tensor, case.learner(own).state())
    module, parsed = registry.module("algorithms", "layer_norm"), registry.parse("algorithms", own)
    z = torch.tensor(np.random.default_rng(0).normal(size=(3, 4, 2 * 36)))
    layer = networks.hidden[0]
    state["weights"]["gain_0"] = torch.tensor([[1.0, 2.0]] * 3, dtype=torch.float64)
    state["weights"]["shift_0"] = torch.tensor([[0.0, 5.0]] * 3, dtype=torch.float64)
    found = module.pre_activation(parsed, state, layer, z, None).unflatten(2, (2, 36))
    plain = torch.nn.functional.layer_norm(z, (72,)).unflatten(2, (2, 36))
    torch.testing.assert_close(found[:, :, 0], plain[:, :, 0])
    torch.testing.assert_close(found[:, :, 1], 2 * plain[:, :, 1] + 5)


# ---- normalise and project


def test_projected_matrices_keep_their_norm():
    norms = None
    for step in steps(hyper("nap"), 8):
        now = {
            name: np.linalg.norm(w) for name, w in step.after["weights"].items() if name.startswith("weight")
        }
        norms = norms or {name: np.linalg.norm(step.before["weights"][name]) for name in now}
        for name in ("weight_0", "weight_1"):
            assert now[name] == pytest.approx(norms[name], rel=1e-12)
            turned = step.before["weights"][name] - RATE * step.gradients[name]
            np.testing.assert_allclose(
                step.after["weights"][name], turned * norms[name] / np.linalg.norm(turned), rtol=1e-12
            )
    assert now["weight_2"] != pytest.approx(norms["weight_2"], rel=1e-6)  # the head is free
    assert (step.before["weights"]["gain_0"] != 1).any()


def test_a_projection_every_few_steps_leaves_the_others_alone():
    plain = [step.after["weights"] for step in steps(hyper("layer_norm"), 3)]
    rare = [step.after["weights"] for step in steps(hyper("nap", every=3), 3)]
    for k, same in enumerate((True, True, False)):
        assert all((plain[k][name] == rare[k][name]).all() for name in plain[k]) == same


def test_gains_can_be_drawn_back_or_keep_their_joint_norm():
    for step in steps(hyper("nap", gains="project", step_size=0.5), 5):
        w = step.after["weights"]
        joint = np.concatenate([w["gain_0"], w["shift_0"]])
        assert np.linalg.norm(joint) == pytest.approx(5**0.5, rel=1e-12)
    drawn = [step.after["weights"] for step in steps(hyper("nap", gains="decay", gain_decay=0.9), 5)][-1]
    free = [step.after["weights"] for step in steps(hyper("nap"), 5)][-1]
    assert np.abs(drawn["gain_0"] - 1).sum() < 0.5 * np.abs(free["gain_0"] - 1).sum()


def test_a_matrix_that_began_at_zero_is_not_projected():
    def change(state):
        state["weights"]["weight_0"].zero_()
        state["algorithm"]["norm"]["weight_0"].zero_()

    last = [step for step in steps(hyper("nap"), 4, change=change)][-1]
    assert (
        np.isfinite(last.after["weights"]["weight_0"]).all()
        and (last.after["weights"]["weight_0"] != 0).any()
    )


# ---- gates by utility


@pytest.mark.parametrize("scope", ["global", "array"])
@pytest.mark.parametrize("maximum", ["raw", "corrected"])
@pytest.mark.parametrize("protecting", ["on", "off"])
def test_useful_weights_change_little(protecting, maximum, scope):
    own = hyper("upgd", protecting=protecting, maximum=maximum, scope=scope, utility_decay=0.9, gain=2.0,
                noise_std=0.3, weight_decay=0.2)  # fmt: skip
    utility = {}
    for step in steps(own, 8):
        w, t = step.before["weights"], step.number + 1
        for name, g in step.gradients.items():
            utility[name] = 0.9 * utility.get(name, 0) - 0.1 * g * w[name]
        count = sum(array.size for array in w.values())
        noise = streams.normals(Address(streams.NOISE, SEEDS[0], 0, step.number), count).astype(float)
        parts = dict(zip(w, np.split(noise, np.cumsum([a.size for a in w.values()])[:-1]), strict=True))
        most = max(u.max() for u in utility.values())
        for name, g in step.gradients.items():
            eta = utility[name].max() if scope == "array" else most
            eta = eta / (1 - 0.9**t) if maximum == "corrected" else eta
            ratio = utility[name] / (1 - 0.9**t) / (eta if eta else 1.0)
            s = 1 / (1 + np.exp(-np.maximum(ratio, -80)))
            xi = 0.3 * parts[name].reshape(g.shape)
            moved = (g + xi) * (1 - s) if protecting == "on" else g + xi * (1 - s)
            expected = (1 - RATE * 0.2) * w[name] - 2.0 * RATE * moved
            np.testing.assert_allclose(step.after["weights"][name], expected, rtol=1e-9, atol=1e-11)


def test_where_no_weight_is_useful_the_gate_may_stand_half_open():
    from perennial.learning.algorithms import upgd

    own = {"step": torch.tensor([5]), "utility": {"w": -torch.rand(1, 3, 2, dtype=torch.float64)}}
    half = upgd.gates(upgd.Settings(nonpositive="half"), own, ["w"])["w"]
    assert (half == 0.5).all()
    flipped = upgd.gates(upgd.Settings(nonpositive="flip"), own, ["w"])["w"]
    assert (flipped > 0.5).all()


# ---- a slow copy


def test_the_slow_network_follows_and_takes_over():
    own, slow = hyper("hare_tortoise", slow_decay=0.8, every=4), None
    for step in steps(own, 9):
        slow = slow or {name: w.copy() for name, w in step.before["weights"].items()}
        for name, w in step.before["weights"].items():
            moved = w - RATE * step.gradients[name]
            slow[name] = 0.8 * slow[name] + 0.2 * moved
            expected = slow[name] if step.number % 4 == 3 else moved
            np.testing.assert_allclose(step.after["weights"][name], expected, rtol=1e-13, atol=1e-15)
            np.testing.assert_allclose(
                step.after["algorithm"]["slow"][name], slow[name], rtol=1e-13, atol=1e-15
            )


def test_probes_and_tests_see_the_slow_network_if_asked_to():
    case, x = CASES["online"], np.random.default_rng(0).normal(size=(4, 6))
    for evaluate in ("hare", "tortoise"):
        own = hyper("hare_tortoise", evaluate=evaluate, every=0)
        learner, networks = case.learner(own), case.networks()
        case.walk(learner, 0, 10)
        state = tree.run_of(learner.state(), 0)
        seen = state["weights"] if evaluate == "hare" else state["algorithm"]["slow"]
        expected = networks.views["net"].network.features({name: w[0] for name, w in seen.items()}, x)
        for one, other in zip(stacked.probe(own, networks, state, x), expected, strict=True):
            assert (one == other).all()
        z = expected[-1] @ seen["weight_2"][0] + seen["bias_2"][0]
        np.testing.assert_allclose(learner.predict(0, x), z, rtol=1e-12)

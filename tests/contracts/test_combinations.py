"""What every algorithm owes in every kind of learner, a user's algorithm too, under the definition's engine.

A file added to `algorithms/` is covered. Numbers are compared to the last bit unless said otherwise.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts import tiny
from contracts.tiny import CASES, SEEDS
from fidelity import support

from perennial import registry
from perennial.learning import tree
from perennial.settings import Unfit

ALGORITHMS = [*registry.names("algorithms"), "mine"]
#: what an algorithm does to weights whatever the step size, and how it is switched off
STILL = {"shrink_and_perturb": {"noise_std": 0}, "cbp": {"replacement_rate": 0}}
COMBINATIONS = [
    (algorithm, case)
    for algorithm in ALGORITHMS
    for case in CASES
    if not (algorithm == "online_normalisation" and case in ("convolutions", "residual"))
]
every_combination = pytest.mark.parametrize(("algorithm", "case"), COMBINATIONS)


def hyper(algorithm: str, **changes) -> dict:
    return {"name": "mine"} if algorithm == "mine" else tiny.hyper(algorithm, **changes)


def still(algorithm: str) -> dict:
    if algorithm == "mine" or algorithm in STILL:
        return STILL.get(algorithm, {})
    return getattr(registry.module("algorithms", algorithm), "NEUTRAL", {})


@every_combination
def test_a_state_has_one_layout_and_comes_back_as_it_was(algorithm, case):
    one, other = (CASES[case].learner(hyper(algorithm)) for _ in range(2))
    begun = one.state()
    CASES[case].walk(one, 0, 4)
    state = one.state()
    assert set(state) == {"weights", "buffers", "optimiser", "algorithm", "problem"}
    for (path, array), (was, fresh) in zip(tree.leaves(state), tree.leaves(begun), strict=True):
        assert path == was and array.shape == fresh.shape and array.dtype == fresh.dtype
        assert len(array) == len(SEEDS) and np.isfinite(array).all(), path
    other.load(state)
    assert support.same_bits(other.state(), state)
    CASES[case].walk(other, 4, 5)
    assert support.same_bits(one.state(), state)  # copies: the other learner did not touch them


@every_combination
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_runs_do_not_depend_on_their_neighbours(algorithm, case, precision):
    group = CASES[case].learner(hyper(algorithm), precision=precision)
    CASES[case].walk(group, 0, 12)
    for r, seed in enumerate(SEEDS):
        alone = CASES[case].learner(hyper(algorithm), seeds=[seed], precision=precision)
        CASES[case].walk(alone, 0, 12, [seed])
        assert support.same_bits(tree.run_of(group.state(), r), alone.state()), seed


@every_combination
def test_a_cut_changes_nothing(algorithm, case):
    whole, first, second = (CASES[case].learner(hyper(algorithm)) for _ in range(3))
    CASES[case].walk(whole, 0, 20)
    CASES[case].walk(first, 0, 11)
    second.load(first.state())
    CASES[case].walk(second, 11, 20)
    assert support.same_bits(whole.state(), second.state())


@every_combination
def test_all_weights_move_and_at_rate_zero_none(algorithm, case):
    """Rates multiply the step size; noise and renewals are no part of it."""
    for rate in (0.0, 1.0):
        learner = CASES[case].learner(hyper(algorithm, **still(algorithm)))
        before = learner.state()["weights"]
        CASES[case].walk(learner, 0, 12, rate=rate)
        after = learner.state()["weights"]
        moved = {name: (before[name] != after[name]).any() for name in before}
        assert all(moved.values()) if rate else not any(moved.values()), moved


METHODS = [
    name for name in registry.names("algorithms") if hasattr(registry.module("algorithms", name), "NEUTRAL")
]


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("case", ["online", "policy and value", "convolutions"])
@pytest.mark.parametrize("algorithm", METHODS)
def test_without_its_own_part_a_method_is_the_plain_step(algorithm, case, optimiser):
    plain = {"name": "backprop" if optimiser == "sgd" else "adam", "step_size": 0.01}
    method = {"name": algorithm, "step_size": 0.01, "optimiser": optimiser, **still(algorithm)}
    one, other = (CASES[case].learner(own) for own in (plain, method))
    for learner in (one, other):
        CASES[case].walk(learner)
    assert support.same_bits(one.state(), other.state(), "weights")


def test_a_smaller_rate_is_a_smaller_step_size():
    case = CASES["online"]
    for algorithm in ("backprop", "l2", "adam", "mine"):
        given = hyper(algorithm) | {"step_size": 0.008}
        half, small = case.learner(given), case.learner(given | {"step_size": 0.004})
        case.walk(half, rate=0.5)
        case.walk(small)
        assert support.same_bits(half.state(), small.state()), algorithm


# ---- two networks with a common layer


def outside(optimiser: str, steps: int) -> dict[str, np.ndarray]:
    """The weights of seed 4 where plain PyTorch trains both networks: its optimisers move each parameter once."""
    case = CASES["two that share a layer"]
    weights = {name: torch.tensor(w[0]) for name, w in case.networks().init([4], 0, "float64").items()}
    leaves = {name: w.requires_grad_() for name, w in weights.items()}
    made = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser](leaves.values(), lr=0.01)
    for step in range(steps):
        x, y = (torch.tensor(array[0]) for array in case.batch_of([4], step).values())
        outputs = {}
        for name in ("policy", "value"):
            h = torch.tanh(x.double() @ leaves["policy.weight_0"] + leaves["policy.bias_0"])
            h = torch.tanh(h @ leaves[f"{name}.weight_1"] + leaves[f"{name}.bias_1"])
            outputs[name] = h @ leaves[f"{name}.weight_2"] + leaves[f"{name}.bias_2"]
        loss = torch.nn.functional.cross_entropy(outputs["policy"], y)
        loss = loss + ((outputs["value"][:, 0] - y) ** 2).mean()
        made.zero_grad()
        loss.backward()
        made.step()
    return {name: leaf.detach().numpy() for name, leaf in leaves.items()}


@pytest.mark.parametrize(("algorithm", "optimiser"), [("backprop", "sgd"), ("adam", "adam")])
def test_every_parameter_moves_once(algorithm, optimiser):
    case = CASES["two that share a layer"]
    learner = case.learner({"name": algorithm, "step_size": 0.01}, seeds=[4])
    case.walk(learner, 0, 15, [4])
    ours, theirs = learner.state()["weights"], outside(optimiser, 15)
    assert ours.keys() == theirs.keys() and "value.weight_0" not in ours
    for name in ours:
        np.testing.assert_allclose(ours[name][0], theirs[name], rtol=1e-12, atol=1e-12, err_msg=name)


def test_a_shared_layer_is_listed_once_and_renewed_in_both_networks():
    case = CASES["two that share a layer"]
    networks, learner = case.networks(), case.learner(tiny.hyper("cbp"))
    assert [layer.key for layer in networks.hidden] == [
        "policy.hidden_0",
        "policy.hidden_1",
        "value.hidden_1",
    ]
    shared = networks.hidden[0]
    assert [view.name for view, _ in shared.readers] == ["policy", "value"]
    renewed = 0
    for step in range(12):
        case.walk(learner, step, step + 1)
        state = tree.each(torch.from_numpy, learner.state())
        units = shared.units(state["weights"])
        assert len(units.outgoing) == len(units.next_biases) == 2
        age = {key: own["age"] for key, own in state["algorithm"].items()}
        fresh = age["policy.hidden_0"] == 0  # [r, h]
        for name, outgoing in zip(("policy", "value"), units.outgoing, strict=True):  # [r, h, p, o], p = 1
            readers_stay = (
                age[f"{name}.hidden_1"] > 0
            )  # [r, o]; a renewed reader has new weights for all it reads
            assert (outgoing[:, :, 0][fresh.unsqueeze(2) & readers_stay.unsqueeze(1)] == 0).all()
            assert (outgoing[:, :, 0][~fresh.unsqueeze(2) & readers_stay.unsqueeze(1)] != 0).any()
        renewed += int(fresh.sum())
    assert renewed > 10


def test_two_networks_draw_different_weights():
    weights = CASES["policy and value"].networks().init([4], 0, "float64")
    assert (weights["policy.weight_0"] != weights["value.weight_0"]).all()


def test_online_normalisation_refuses_convolutions_in_one_line():
    with pytest.raises(Unfit, match="online_normalisation: takes fully connected networks only") as caught:
        CASES["convolutions"].learner(tiny.hyper("online_normalisation"))
    assert "\n" not in str(caught.value)

"""Methods that pull, clip or scale weights: L2 Init, weight clipping, Parseval and spectral regularisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.tiny import CASES
from fidelity import support
from methods.steps import hyper, steps

from perennial.learning.algorithms import parseval, spectral
from perennial.procedures.hooks import reset

RATE = 0.05


def wasserstein(w: np.ndarray, begun: np.ndarray) -> np.ndarray:
    """The k-th smallest weight minus the k-th smallest initial one, weight by weight."""
    found, targets = np.empty(w.size), np.sort(begun.ravel())
    for rank, place in enumerate(np.argsort(w.ravel(), kind="stable")):
        found[place] = w.ravel()[place] - targets[rank]
    return found.reshape(w.shape)


SLOPES = {
    "squared": lambda w, begun: w - begun,
    "l1": lambda w, begun: np.sign(w - begun),
    "huber": lambda w, begun: np.clip(w - begun, -1, 1),
    "wasserstein": wasserstein,
}


@pytest.mark.parametrize("pull", ["coupled", "decoupled"])
@pytest.mark.parametrize("scale", ["half", "full", "mean"])
@pytest.mark.parametrize("penalty", SLOPES)
def test_l2_init_pulls_to_where_weights_began(penalty, scale, pull):
    own, begun = hyper("l2_init", strength=0.3, penalty=penalty, scale=scale, pull=pull), None
    for step in steps(own, 6):
        begun = begun or step.before["weights"]
        for name, g in step.gradients.items():
            w = step.before["weights"][name]
            factor = {"half": 1, "full": 2, "mean": 2 / w.size}[scale] * 0.3
            expected = w - RATE * (g + factor * SLOPES[penalty](w, begun[name]))
            np.testing.assert_allclose(step.after["weights"][name], expected, rtol=1e-12, atol=1e-14)


def test_l2_init_towards_zero_is_l2():
    found = []
    for own in (hyper("l2_init", strength=0.1, target="zero"), hyper("l2", weight_decay=0.1)):
        found.append([step.after["weights"] for step in steps(own, 10)][-1])
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_decoupled_pull_passes_adam_by():
    """With Adam a coupled pull goes through the moments; one by itself moves the weight by step_size lambda d."""
    own = hyper("l2_init", strength=0.3, pull="decoupled", optimiser="adam")
    plain = next(steps(hyper("adam"), 1)).after
    pulled = [step for step in steps(own, 2)]
    assert (pulled[0].after["weights"]["weight_0"] == plain["weights"]["weight_0"]).all()  # no distance yet
    coupled = [step.after for step in steps({**own, "pull": "coupled"}, 2)][1]
    assert not np.allclose(pulled[1].after["weights"]["weight_0"], coupled["weights"]["weight_0"])
    assert (pulled[1].after["optimiser"]["age"]["weight_0"] == 2).all()


def test_a_head_that_starts_afresh_is_pulled_to_what_was_written():
    case = CASES["online"]
    for head in ("all", "none"):
        learner = case.learner(hyper("l2_init", strength=0.3, head=head))
        case.walk(learner, 0, 3)
        reset.head(learner, case.networks(), "net", hyper("l2_init", head=head))
        initial = learner.state()["algorithm"]["initial"]
        assert ("weight_2" in initial) == (head == "all")
        assert (initial["weight_0"] != 0).all()
        if head == "all":
            assert (initial["weight_2"] == 0).all() and (initial["bias_2"] == 0).all()


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("reference", ["fan_in", "init_bound"])
@pytest.mark.parametrize("case", ["online", "convolutions"])
def test_no_weight_leaves_its_bound(case, reference, optimiser):
    own = hyper("weight_clipping", clip=0.7, reference=reference, optimiser=optimiser)
    networks, touched = CASES[case].networks(), 0
    for step in steps(own, 6, case):
        for matrix in networks.matrices:
            weights = step.after["weights"]
            fan_in = weights[matrix.weight].size // weights[matrix.bias].size
            bound = 0.7 * (fan_in**-0.5 if reference == "fan_in" else matrix.bound)
            for name in (matrix.weight, matrix.bias):
                assert np.abs(weights[name]).max() <= bound * (1 + 1e-15)
                touched += int((np.abs(weights[name]) == bound).sum())
                if optimiser == "sgd":
                    free = step.before["weights"][name] - RATE * step.gradients[name]
                    np.testing.assert_allclose(weights[name], np.clip(free, -bound, bound), rtol=1e-14)
    assert touched


def test_the_head_may_stay_free_of_the_clip():
    last = [step.after for step in steps(hyper("weight_clipping", clip=0.1, head="none"), 3)][-1]
    assert np.abs(last["weights"]["weight_2"]).max() > 0.1 * 4**-0.5
    assert np.abs(last["weights"]["weight_1"]).max() <= 0.1 * 5**-0.5


@pytest.mark.parametrize("gram", ["rows", "smaller"])
@pytest.mark.parametrize("shape", [(3, 6), (6, 3)])
def test_parseval_s_gradient_is_that_of_its_penalty(shape, gram):
    draw = np.random.default_rng(3)
    w = torch.tensor(draw.normal(size=(2, *shape)), requires_grad=True)
    s = torch.tensor([2.0, 0.5], dtype=torch.float64)
    total = 0
    for one, target in zip(w, s, strict=True):
        square = one.T @ one if gram == "smaller" and shape[0] > shape[1] else one @ one.T
        total = total + ((square - target * torch.eye(len(square))) ** 2).sum()
    (expected,) = torch.autograd.grad(total, w)
    found = parseval.penalty_gradient(w.detach(), s, gram)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_orthogonal_rows_feel_no_pull_and_others_come_nearer():
    own = hyper("parseval", strength=0.02, width_scaling="off", gram="smaller")
    first = next(iter(steps(own, 1)))
    w = first.before["weights"]["weight_0"].T  # 5 units of 6 inputs
    np.testing.assert_allclose(w @ w.T, 2 * np.eye(5), atol=1e-12)
    plain = first.before["weights"]["weight_0"] - RATE * first.gradients["weight_0"]
    np.testing.assert_allclose(first.after["weights"]["weight_0"], plain, atol=1e-12)

    def apart(state):
        w = state["weights"]["weight_0"].T
        return np.abs(w @ w.T - 2 * np.eye(5)).sum()

    walked = list(steps({**own, "initialisation": "own", "step_size": 0.2}, 60))
    assert apart(walked[-1].after) < 0.3 * apart(walked[0].before)


def test_parseval_leaves_the_head_alone_and_takes_filters_as_rows():
    own = hyper("parseval", strength=0.1, width_scaling="off", initialisation="own", target="one")
    for step in steps(own, 2, "convolutions"):
        head = step.before["weights"]["weight_3"] - RATE * step.gradients["weight_3"]
        np.testing.assert_allclose(step.after["weights"]["weight_3"], head, rtol=1e-13)
        filters = step.before["weights"]["weight_0"]  # [o, i, k, k]
        rows = filters.reshape(len(filters), -1)
        pull = 4 * 0.1 * (rows @ rows.T @ rows - rows)
        expected = filters - RATE * (step.gradients["weight_0"] + pull.reshape(filters.shape))
        np.testing.assert_allclose(step.after["weights"]["weight_0"], expected, rtol=1e-11, atol=1e-13)


def test_the_power_iteration_finds_the_largest_singular_value():
    w = torch.tensor(np.random.default_rng(0).normal(size=(2, 4, 7)))
    left = torch.ones(2, 4, dtype=torch.float64) / 2
    for _ in range(200):
        left, right, sigma = spectral.iterate(w, left)
    u, s, v = torch.linalg.svd(w)
    torch.testing.assert_close(sigma, s[:, 0], rtol=1e-10, atol=0)
    both = (left.unsqueeze(2) * right.unsqueeze(1)) / (u[:, :, :1] * v[:, :1])  # u v^T has one sign
    torch.testing.assert_close(both, torch.ones_like(both), rtol=1e-5, atol=0)
    zero = spectral.iterate(torch.zeros(1, 4, 7, dtype=torch.float64), left[:1])
    assert (zero[2] == 0).all() and (zero[0] == left[:1]).all()


@pytest.mark.parametrize("power", [1, 2, 3])
def test_spectral_s_gradient_is_that_of_its_penalty(power):
    """With the singular vectors held fixed, as the paper does."""
    own = hyper("spectral", strength=0.05, power=power)
    for step in steps(own, 4):
        for layer in range(3):
            w = torch.tensor(step.before["weights"][f"weight_{layer}"].T.copy(), requires_grad=True)
            b = torch.tensor(step.before["weights"][f"bias_{layer}"], requires_grad=True)
            left = torch.tensor(step.before["algorithm"][f"weight_{layer}"]["left"])
            right = (w.detach().T @ left) / torch.linalg.norm(w.detach().T @ left)
            left = (w.detach() @ right) / torch.linalg.norm(w.detach() @ right)
            penalty = 0.05 * (((left @ w @ right) ** power - 1) ** 2 + (b @ b) ** power)
            for name, tensor, turn in (("weight", w, np.transpose), ("bias", b, np.asarray)):
                (pull,) = torch.autograd.grad(penalty, tensor, retain_graph=True)
                before, g = step.before["weights"][f"{name}_{layer}"], step.gradients[f"{name}_{layer}"]
                expected = before - RATE * (g + turn(pull.numpy()))
                np.testing.assert_allclose(
                    step.after["weights"][f"{name}_{layer}"], expected, rtol=1e-11, atol=1e-13
                )


@pytest.mark.parametrize(
    "name", ["l2_init", "nap", "upgd", "swr", "hare_tortoise", "spectral", "weight_clipping"]
)
def test_after_a_head_reset_all_stays_finite(name):
    case, own = CASES["online"], hyper(name, **({"utility_decay": 0.9} if name == "swr" else {}))
    learner = case.learner(own)
    case.walk(learner, 0, 5)
    reset.head(learner, case.networks(), "net", own)
    case.walk(learner, 5, 15)
    assert all(np.isfinite(array).all() for _, array in support.leaves(learner.state()))

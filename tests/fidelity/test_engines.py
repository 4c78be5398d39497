"""Every compiled loop against the definition: weights, the algorithm's and the optimiser's state, performance.

Compiling is dear, so few networks are used, the same ones in all tests of this folder. In double precision the
two differ by some 1e-15 after 10,000 steps of the regression; in single precision by up to 1e-6 after 1,000.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial.learning import engines
from perennial.learning.algorithms import cbp

FUSED = [
    name for name in support.algorithms() if "fused" in support.engines_of(support.small(REGRESSION, name))
]
STEPS = {"shrink_and_perturb": 2000, "l2": 4000}  # to save time; the others take 10,000 steps


def both(settings: dict, seeds: list[int], images: int = 1797) -> tuple[dict, dict]:
    """The last states under `fused` and the definition, after a look at the performances on the way.

    Where `lanes` fits too, it must have the bits of `fused`.
    """
    others = [engine for engine in support.engines_of(settings) if engine != "stacked"]
    runs = {engine: support.stream(settings, seeds, engine, images) for engine in ("stacked", *others)}
    tolerance = 1e-9 if settings["precision"] == "float64" else 1e-4
    for index in range(settings["length"]):
        tasks = [problem.task(index) for problem in runs["fused"].problems]
        found = {engine: stream.learner.train(tasks, index) for engine, stream in runs.items()}
        np.testing.assert_allclose(found["fused"], found["stacked"], rtol=tolerance, atol=tolerance)
        assert all(found[engine].tobytes() == found["fused"].tobytes() for engine in others)
    states = {engine: stream.learner.state() for engine, stream in runs.items()}
    assert all(support.same_bits(states[engine], states["fused"]) for engine in others)
    return states["fused"], states["stacked"]


def close(one: dict, other: dict, tolerance: float) -> None:
    """Every number within `tolerance` of its fellow, absolutely below 1 and relatively above."""
    a, b = dict(support.leaves(one)), dict(support.leaves(other))
    assert a.keys() == b.keys()
    for path in a:
        np.testing.assert_allclose(a[path], b[path], rtol=tolerance, atol=tolerance, err_msg=path)


def renewals(state: dict, steps: int) -> int:
    """Units that are younger than the run; one renewed again and again counts once."""
    return sum(int((own["age"] < steps).sum()) for own in state["algorithm"].values())


@pytest.mark.parametrize("algorithm", FUSED)
def test_double_precision_after_ten_thousand_steps(algorithm):
    steps = STEPS.get(algorithm, 10_000)
    settings = support.small(REGRESSION, algorithm, flip_every=steps // 4, length=4)
    fused, stacked = both(settings, [3])
    assert max(support.gaps(fused, stacked).values()) < 1e-10
    assert algorithm != "cbp" or renewals(fused, steps) >= 2


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sigmoid", "elu", "swish"])
def test_double_precision_of_every_activation(activation):
    settings = support.small(REGRESSION, "backprop", activation=activation, flip_every=1000, length=2)
    assert max(support.gaps(*both(settings, [3])).values()) < 1e-10


@pytest.mark.parametrize("algorithm", FUSED)
def test_single_precision_after_a_thousand_steps_of_digits(algorithm):
    """Adam's steps do not shrink with the gradient: at 0.001 and more it is chaotic, and no two ways of adding up
    stay together; ours is 0.0003."""
    changes = {"step_size": 3e-4} if algorithm == "adam" else {}
    settings = support.small(DIGITS, algorithm, length=2)
    settings["algorithm"] = {**settings["algorithm"], **changes}
    fused, stacked = both(settings, [0, 1], images=500)
    close(fused, stacked, 1e-6)
    assert algorithm != "cbp" or renewals(fused, 1000) >= 20


@pytest.mark.parametrize("utility", engines.choices(cbp.Settings)["utility"])
def test_every_combination_of_switches_of_continual_backpropagation(utility):
    """About one unit renewed in 20 steps, under every combination that the compiled loop supports."""
    for fraction, count, transfer in itertools.product(
        ["accumulate", "bernoulli"], ["eligible", "layer_width"], ["off", "on"]
    ):
        given = {"utility": utility, "fraction": fraction, "count": count, "bias_transfer": transfer}
        settings = support.small(REGRESSION, "cbp", flip_every=75, length=2)
        settings["algorithm"] = {**settings["algorithm"], **given}
        fused, stacked = both(settings, [3, 8])
        assert max(support.gaps(fused, stacked).values()) < 1e-10, given
        assert renewals(fused, 150) >= 2, given


ON_ADAM = {"optimiser": "adam", "step_size": 0.001, "weight_decay": 0.01}


@pytest.mark.parametrize(
    ("algorithm", "given"),
    [
        ("cbp", ON_ADAM),
        ("cbp", {**ON_ADAM, "adam_bias_correction": "gnt_bug", "bias_transfer": "on"}),
        ("shrink_and_perturb", ON_ADAM),
    ],
)
def test_double_precision_on_adam(algorithm, given):
    """A renewed weight forgets its moments and its age in both engines."""
    settings = support.small(REGRESSION, algorithm, flip_every=750, length=2)
    settings["algorithm"] = {**settings["algorithm"], **given}
    fused, stacked = both(settings, [3, 8])
    assert max(support.gaps(fused, stacked).values()) < 1e-10
    assert algorithm != "cbp" or renewals(fused, 1500) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", FUSED)
@pytest.mark.parametrize(("problem", "precision"), [(DIGITS, "float64"), (REGRESSION, "float32")])
def test_the_other_precision(problem, precision, algorithm):
    """Double precision on 1,000 steps of the digits, single precision on 1,000 of the regression."""
    changes = {"step_size": 3e-4} if algorithm == "adam" else {}
    shape = {"flip_every": 500} if problem == REGRESSION else {}
    settings = support.small(problem, algorithm, precision=precision, length=2, **shape)
    settings["algorithm"] = {**settings["algorithm"], **changes}
    fused, stacked = both(settings, [0, 1], images=500)
    close(fused, stacked, 1e-10 if precision == "float64" else 1e-6)

"""ReDo: which units start afresh, when, and what is remembered of them."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.tiny import CASES

from perennial.learning.losses import NETWORK

CASE = CASES["mini-batches"]
REDO = {"name": "redo", "step_size": 1e-9, "optimiser": "adam", "threshold": 0.1, "period": 3}


def learner(**changes):
    """With a first unit of the first layer that is silent."""
    made = CASE.learner({**REDO, **changes})
    state = made.state()
    state["weights"]["weight_0"][:, :, 0] = 0
    state["weights"]["bias_0"][:, 0] = 0
    made.load(state)
    return made


def test_the_silent_unit_alone_starts_afresh_after_the_period():
    made = learner()
    CASE.walk(made, 0, 2)
    assert np.abs(made.state()["weights"]["weight_0"][:, :, 0]).max() < 1e-6
    before = made.state()["weights"]
    CASE.walk(made, 2, 3)
    after = made.state()["weights"]
    bound = CASE.networks().views[NETWORK].network.bounds[0]
    fresh = np.abs(after["weight_0"][:, :, 0])
    assert (fresh.max(1) > 0.1 * bound).all() and (fresh <= bound).all()
    assert not after["weight_1"][:, 0].any() and not after["bias_0"][:, 0].any()
    assert after["weight_0"][:, :, 1:] == pytest.approx(before["weight_0"][:, :, 1:], abs=1e-6)
    assert after["weight_1"][:, 1:] == pytest.approx(before["weight_1"][:, 1:], abs=1e-6)


@pytest.mark.parametrize("way", ["kept", "zero"])
def test_what_the_optimiser_remembers_of_it(way):
    made = learner(renewed_moments=way)
    CASE.walk(made, 0, 3)
    moments = made.state()["optimiser"]["second_moment"]["weight_1"]
    other = learner(period=0)
    CASE.walk(other, 0, 3)
    kept = other.state()["optimiser"]["second_moment"]["weight_1"]
    if way == "kept":
        assert np.array_equal(moments, kept)
    else:
        assert not moments[:, 0].any() and np.array_equal(moments[:, 1:], kept[:, 1:])


@pytest.mark.parametrize("score", ["activation", "gradient"])
def test_units_that_are_alike_stay(score):
    made = CASE.learner({**REDO, "score": score, "threshold": 0.99})
    state = made.state()
    for name in ("weight_0", "weight_1"):
        state["weights"][name][...] = 0.3
    state["weights"]["weight_2"][...] = 0.3, -0.1, 0.2  # of the outputs: with equal ones there is no gradient
    made.load(state)
    CASE.walk(made, 0, 3)
    assert made.state()["weights"]["weight_0"] == pytest.approx(np.full((3, 6, 5), 0.3), abs=1e-6)

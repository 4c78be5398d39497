"""Switches of continual backpropagation that no figure uses: what renewed units get, and what Adam keeps of them."""

from __future__ import annotations

import numpy as np
import pytest
from contracts.tiny import CASES
from methods.steps import hyper, steps

OWN = {"replacement_rate": 0.3, "maturity_threshold": 2, "step_size": 1e-9}
FAN_IN, FAN_OUT, GAIN = 6, 4, 5 / 3  # of the first layer of a tanh network 6-5-4-3
BOUNDS = {
    "layer": GAIN * (3 / FAN_IN) ** 0.5,
    "xavier": GAIN * (6 / (FAN_IN + FAN_OUT)) ** 0.5,
    "lecun": (3 / FAN_IN) ** 0.5,
    "default": FAN_IN**-0.5,
}


def renewed(settings, layer=0):
    """Incoming weights of all units that start afresh in twenty steps, and the states after it."""
    for step in steps(settings, 20):
        for unit in np.flatnonzero(step.after["algorithm"][f"hidden_{layer}"]["age"] == 0):
            yield unit, step.after["weights"][f"weight_{layer}"][:, unit], step.after


@pytest.mark.parametrize("kind", BOUNDS)
def test_renewed_weights_have_the_bound_of_their_kind(kind):
    """One draw, scaled: so the largest of many is near the bound, and the draw is that of the layer."""
    found = np.array([w for _, w, _ in renewed(hyper("cbp", **OWN, renewed_weights=kind))])
    plain = np.array([w for _, w, _ in renewed(hyper("cbp", **OWN))])
    assert len(found) > 10 and 0.9 * BOUNDS[kind] < np.abs(found).max() <= BOUNDS[kind]
    if kind == "layer":
        assert (found == plain).all() and BOUNDS["layer"] == CASES["online"].networks().matrices[0].bound


@pytest.mark.parametrize("average", ["corrected", "uncorrected", "running_sum"])
def test_utility_average_is_what_it_says(average):
    """Before any unit is renewed; the correction is made where units are ranked, not in what is kept."""
    own = hyper("cbp", replacement_rate=0, utility="contribution", utility_average=average, utility_decay=0.8)
    expected = np.zeros(5)
    for step in steps(own, 6):
        size = np.abs(step.features["hidden_0"]).mean(0)  # [h], of one example
        after = step.before["weights"]["weight_1"] - 0.05 * step.gradients["weight_1"]
        if average == "running_sum":
            expected = expected + 0.2 * size
        else:
            expected = 0.8 * expected + 0.2 * size * np.abs(after).mean(1)
        np.testing.assert_allclose(step.after["algorithm"]["hidden_0"]["utility"], expected, rtol=1e-12)


@pytest.mark.parametrize("moments", ["zero", "kept"])
def test_renewed_moments_are_forgotten_or_not(moments):
    own = hyper("cbp", **OWN, optimiser="adam", renewed_moments=moments)
    seen = 0
    for unit, _, state in renewed(own):
        for kind in ("first_moment", "second_moment", "age"):
            memory = state["optimiser"][kind]["weight_0"][:, unit]
            assert (memory != 0).any() == (moments == "kept")
        seen += 1
    assert seen > 10

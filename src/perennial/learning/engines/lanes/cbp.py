"""Continual backpropagation with eight runs in the lanes: all units are tested in the lanes; the rare renewal of a unit
is left to `renewal.py`, one run at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

from perennial import streams
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.draws import block, uniform
from perennial.learning.engines.fused import cbp as fused
from perennial.learning.engines.fused.moments import corrections
from perennial.learning.engines.fused.utilities import KINDS, RANDOM, utility
from perennial.learning.engines.lanes import renewal
from perennial.learning.engines.lanes.backprop import move
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, side_by_side
from perennial.learning.engines.lanes.sums import magnitudes
from perennial.learning.engines.vectors import (
    LANES,
    absolute,
    any_lane,
    converter,
    fma,
    load,
    look_up,
    number,
    store,
    where,
)

REPLACEMENT = streams.REPLACEMENT
KNOWS = {
    **fused.KNOWS,
    "utility": tuple(kind for kind in KINDS if kind != KINDS[RANDOM]),
    "optimiser": ("sgd",),
}
double, whole = converter(types.float64), converter(types.int32)


def unsupported(settings: Settings) -> str | None:
    """What `fused` does not know either."""
    return fused.unsupported(settings)


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(rates, replacement rate, maturity, bias corrections, utilities, means, ages, saved fractions)."""
    units, runs = layout.hidden, len(state["weights"]["bias_0"])
    fresh = {"utility": np.zeros((runs, units)), "mean_feature": np.zeros((runs, units)),
             "age": np.zeros((runs, units), np.int64), "saved": np.zeros(runs)}  # fmt: skip
    had = state.get("algorithm", {}).get("hidden_0", fresh)
    utilities, means = (side_by_side(had[key].T.astype(layout.dtype)) for key in ("utility", "mean_feature"))
    ages, saved = side_by_side(had["age"].T.astype(np.int32)), side_by_side(had["saved"].astype(np.float64))
    rates = layout.numbers(settings.step_size, settings.utility_decay, 1 - settings.utility_decay)
    table = corrections(settings.utility_decay, layout.dtype)
    whole = np.float64(settings.replacement_rate), np.int32(settings.maturity_threshold)
    return rates, *whole, table, utilities, means, ages, saved


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Utilities, mean activations, ages and saved fractions."""
    if not layout.hidden:
        return {"optimiser": {}, "algorithm": {}}
    utilities, means, ages = (array.reshape(-1, LANES).T.copy() for array in own[4:7])
    hidden = {
        "utility": utilities,
        "mean_feature": means,
        "age": ages.astype(np.int64),
        "saved": own[7].copy(),
    }
    return {"optimiser": {}, "algorithm": {"hidden_0": hidden}}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The gradient step; then the test of all units, then the renewal of those that are due."""
    choices = (settings.utility, settings.count, settings.fraction, settings.bias_transfer)
    test, due = _test(settings, layout), _due(settings, layout)
    renew = renewal.renew(settings, layout)

    @njit(**INNER)
    def end(own, w, h, seeds, task, step):
        if due(own, test(own, w, h), seeds, task, step):
            renew(own, w, seeds, task, step)

    return Hooks("_".join(("cbp", *choices)), move, nothing, end if layout.hidden else _no_units)


@njit(**INNER)
def _no_units(own, w, h, seeds, task, step):
    return


def _test(settings: Settings, layout: Layout) -> Callable:
    """test(own, w, h): move ages, means and utilities of all units; the number of mature ones of each run."""
    inputs, units, outputs = layout.sizes
    out, of_unit, kind = layout.start(1), utility(layout), KINDS.index(settings.utility)
    sums, share_in, share_out = (
        magnitudes(inputs, units),
        layout.number(1 / inputs),
        layout.number(1 / outputs),
    )

    def test_unit(j: int) -> Callable:
        at = j * LANES

        @njit(**INNER)
        def test(own, w, h, incoming):
            rates, _rate, maturity, table, utilities, means, ages, _saved = own
            age, last = load(ages, at) + np.int32(1), np.int32(table.shape[0] - 1)
            store(ages, at, age)
            active = load(h, at)
            eta, gain = number(active, rates[1]), number(active, rates[2])
            mean = fma(eta, load(means, at), gain * active)
            store(means, at, mean)
            correction = look_up(table, where(age > last, number(age, last), age))
            received = share_in * incoming[j]
            given = share_out * absolute(load(w, out + at))
            y = of_unit(kind, active, mean / correction, given, received)
            store(utilities, at, fma(eta, load(utilities, at), gain * y))
            return whole(age > maturity)

        return test

    def from_unit(j: int) -> Callable:
        this = test_unit(j)
        if j + 1 == units:
            return this
        others = from_unit(j + 1)
        return njit(**INNER)(
            lambda own, w, h, incoming: this(own, w, h, incoming) + others(own, w, h, incoming)
        )

    tests = from_unit(0)

    @njit(**INNER)
    def test(own, w, h):
        return tests(own, w, h, sums(w))

    return test


def _due(settings: Settings, layout: Layout) -> Callable:
    """due(own, mature, seeds, task, step): whether any run has a unit to renew. What is saved up moves on if not."""
    by_coin, of_width, units = (
        settings.fraction == "bernoulli",
        settings.count == "layer_width",
        layout.hidden,
    )

    @njit(**INNER)
    def due(own, mature, seeds, task, step):
        rate, saved = own[1], own[7]
        ripe = double(mature)
        if of_width:
            ripe = where(ripe > 0.0, number(ripe, units), ripe)
        share = number(ripe, rate) * ripe
        if by_coin:
            coin = double(uniform(block(REPLACEMENT, seeds, task, step, 0, 0)[0]))
            return any_lane(where(share >= 1.0, number(share, 0.0), coin) < share)
        summed_up = load(saved, 0) + share
        if any_lane(summed_up >= 1.0):
            return True
        store(saved, 0, summed_up)
        return False

    return due

"""Continual backpropagation with eight runs in the lanes: all units are tested in the lanes; the rare renewal of a unit
is left to `renewal.py`, one run at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from perennial import streams
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.draws import block, uniform
from perennial.learning.engines.fused import cbp as fused
from perennial.learning.engines.fused.moments import corrections
from perennial.learning.engines.fused.utilities import KINDS, RANDOM, utility
from perennial.learning.engines.lanes import aged_adam, renewal
from perennial.learning.engines.lanes.backprop import move
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, of_part, side_by_side
from perennial.learning.engines.lanes.sums import magnitudes
from perennial.learning.engines.vectors import (
    LANES,
    absolute,
    any_lane,
    converter,
    fma,
    item,
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
}
double, whole = converter(types.float64), converter(types.int32)


def unsupported(settings: Settings) -> str | None:
    """What `fused` does not know either."""
    return fused.unsupported(settings)


class Own(NamedTuple):
    """The algorithm's arrays, eight runs side by side, and what holds for all of them."""

    descent: tuple  #: arrays of the gradient step: (step size,), or those of `aged_adam`
    eta: Any  #: decay of means and utilities
    gain: Any  #: 1 - eta
    rate: float  #: of renewal
    maturity: int
    of_width: bool
    by_coin: bool
    transfer: bool
    table: np.ndarray  #: bias correction by age
    utility: np.ndarray  #: [unit]
    mean_feature: np.ndarray  #: [unit]
    age: np.ndarray  #: [unit] int32
    saved: np.ndarray


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> Own:
    """The algorithm's arrays, with what it is set to."""
    units, runs = layout.hidden, len(state["weights"]["bias_0"])
    kinds = {"utility": layout.dtype, "mean_feature": layout.dtype, "age": "int32", "saved": "float64"}
    had = state.get("algorithm", {}).get("hidden_0") or {
        key: np.zeros(runs if key == "saved" else (runs, units)) for key in kinds
    }
    eta = settings.utility_decay
    adam = settings.optimiser == "adam"
    return Own(
        aged_adam.pack(settings, layout, state) if adam else layout.numbers(settings.step_size),
        *layout.numbers(eta, 1 - eta),
        settings.replacement_rate,
        np.int32(settings.maturity_threshold),
        settings.count == "layer_width",
        settings.fraction == "bernoulli",
        settings.bias_transfer == "on",
        corrections(eta, layout.dtype),
        *(side_by_side(had[key].T.astype(kind)) for key, kind in kinds.items()),
    )


def unpack(settings: Settings, layout: Layout, own: Own) -> dict[str, Any]:
    """Utilities, mean activations, ages and saved fractions."""
    optimiser = aged_adam.unpack(layout, own.descent) if settings.optimiser == "adam" else {}
    if not layout.hidden:
        return {"optimiser": optimiser, "algorithm": {}}
    units = {key: getattr(own, key).reshape(-1, LANES).T for key in ("utility", "mean_feature", "age")}
    hidden = {**units, "age": units["age"].astype(np.int64), "saved": own.saved}
    own_state = {"hidden_0": {key: array.copy() for key, array in hidden.items()}}
    return {"optimiser": optimiser, "algorithm": own_state}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The gradient step; then the test of all units, then the renewal of those that are due."""
    adam = settings.optimiser == "adam"
    moving = of_part(aged_adam.hooks(layout), 0).move if adam else move
    forget = aged_adam.forget(layout) if adam and layout.hidden else aged_adam.keep
    test, due = _test(layout, KINDS.index(settings.utility)), _due(layout)
    renew = renewal.renew(layout, forget) if layout.hidden else None

    @njit(**INNER)
    def end(own, w, h, seeds, task, step):
        if due(own, test(own, w, h), seeds, task, step):
            renew(own, w, seeds, task, step)

    name = f"cbp_{settings.utility}_{settings.optimiser}"
    return Hooks(name, moving, nothing, end if layout.hidden else _no_units)


@njit(**INNER)
def _no_units(own, w, h, seeds, task, step):
    return


def _test(layout: Layout, kind: int) -> Callable:
    """test(own, w, h): move ages, means and utilities of all units; the number of mature ones of each run."""
    inputs, units, outputs = layout.sizes
    out, of_unit = layout.start(1), utility(layout)
    sums, share_in, share_out = (
        magnitudes(inputs, units),
        layout.number(1 / inputs),
        layout.number(1 / outputs),
    )

    @njit(**INNER)
    def test(own, w, h):
        incoming, last = sums(w), np.int32(own.table.shape[0] - 1)
        mature = number(load(own.age, 0), 0)
        for j in range(units):
            at = j * LANES
            age, active = load(own.age, at) + np.int32(1), load(h, at)
            store(own.age, at, age)
            mean = fma(number(active, own.eta), load(own.mean_feature, at), own.gain * active)
            store(own.mean_feature, at, mean)
            correction = look_up(own.table, where(age > last, number(age, last), age))
            received, given = share_in * item(incoming, j), share_out * absolute(load(w, out + at))
            y = of_unit(kind, active, mean / correction, given, received)
            store(own.utility, at, fma(number(y, own.eta), load(own.utility, at), own.gain * y))
            mature = mature + whole(age > own.maturity)
        return mature

    return test


def _due(layout: Layout) -> Callable:
    """due(own, mature, seeds, task, step): whether any run has a unit to renew. What is saved up moves on if not."""
    units = layout.hidden

    @njit(**INNER)
    def due(own, mature, seeds, task, step):
        ripe = double(mature)
        if own.of_width:
            ripe = where(ripe > 0.0, number(ripe, units), ripe)
        share = own.rate * ripe
        if own.by_coin:
            coin = double(uniform(block(REPLACEMENT, seeds, task, step, 0, 0)[0]))
            return any_lane(where(share >= 1.0, number(share, 0.0), coin) < share)
        total = load(own.saved, 0) + share
        if any_lane(total >= 1.0):
            return True
        store(own.saved, 0, total)
        return False

    return due

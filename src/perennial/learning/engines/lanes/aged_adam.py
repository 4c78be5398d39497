"""Adam with an age for each weight, eight runs in the lanes: what continual backpropagation on Adam descends by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types

from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.fused.aged_adam import KINDS
from perennial.learning.engines.fused.moments import rates, scales_and_roots, step
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.vectors import LANES, converter, load, look_up, number, store, where

whole = converter(types.int32)


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(rates, scale and root of a step by age, first moments, second moments, ages)."""
    optimiser = state.get("optimiser")
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    kept = [layout.pack(optimiser[kind] if optimiser else zero) for kind in KINDS]
    damped = settings.adam_bias_correction == "gnt_bug"
    return (layout.numbers(*rates(settings)), scales_and_roots(settings, layout.dtype, damped), *kept)


def unpack(layout: Layout, own: tuple) -> dict[str, Any]:
    """Moments and ages."""
    return {kind: layout.unpack(flat) for kind, flat in zip(KINDS, own[2:], strict=True)}


def hooks(layout: Layout) -> Hooks:
    """Moments of every weight change at every step."""
    moved, one = step(layout), layout.number(1)

    @njit(**INNER)
    def move(own, w, at, a, b, exact):
        rates, (scales, roots), first, second, ages = own
        age = load(ages, at) + one
        store(ages, at, age)
        place, last = whole(age), np.int32(scales.shape[0] - 1)
        place = where(place > last, number(place, last), place)
        new, m, v = moved(
            rates,
            load(w, at),
            load(first, at),
            load(second, at),
            a * b,
            look_up(scales, place),
            look_up(roots, place),
        )
        store(w, at, new)
        store(first, at, m)
        store(second, at, v)

    return Hooks("aged_adam", move, nothing, nothing_more)


def forget(layout: Layout) -> Callable:
    """forget(own, unit, r): start moments and ages of a unit's weights and bias at zero in one run."""
    inputs, units, _ = layout.sizes
    biases, out = layout.start(0, True), layout.start(1)

    @njit(**INNER)
    def forgotten(own, unit, r):
        for kept in own[2:]:
            for i in range(inputs):
                kept[(i * units + unit) * LANES + r] = 0
            kept[biases + unit * LANES + r] = 0
            kept[out + unit * LANES + r] = 0

    return forgotten


@njit(**INNER)
def keep(own: Any, unit: int, r: int) -> None:
    """The same for plain descent, which remembers nothing."""

"""Adam with eight runs in the lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.adam import Settings
from perennial.learning.engines.compiling import EXACT
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.fused.moments import (
    BETA_1,
    BETA_2,
    DECAY,
    EPSILON,
    GAIN_1,
    GAIN_2,
    TINY,
    rates,
    scales_and_roots,
)
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing_more, side_by_side
from perennial.learning.engines.vectors import LANES, absolute, load, number, square_root, store, where

__all__ = ["hooks", "pack", "unpack", "unsupported"]

KINDS = ("first_moment", "second_moment")


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(rates, scale and root of a step by its number, [steps done], scales and roots of this step, two moments)."""
    optimiser = state.get("optimiser")
    runs = len(state["weights"]["bias_0"])
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    steps = side_by_side(optimiser["step"] if optimiser else np.zeros(runs, np.int64)).astype(np.int64)
    moments = [layout.pack(optimiser[kind] if optimiser else zero) for kind in KINDS]
    tables = scales_and_roots(settings, layout.dtype)
    return (
        layout.numbers(*rates(settings)),
        tables,
        steps,
        np.empty(2 * LANES, layout.dtype),
        *moments,
    )


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Moments and step count."""
    moments = {kind: layout.unpack(flat) for kind, flat in zip(KINDS, own[4:], strict=True)}
    return {"optimiser": {**moments, "step": own[2].copy()}, "algorithm": {}}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """Moments of every weight change at every step."""

    @njit(**EXACT)
    def begin(own):
        _rates, (scales, roots), steps, now, _first, _second = own
        for r in range(LANES):
            steps[r] += 1
            at = min(steps[r], scales.shape[0] - 1)
            now[r], now[LANES + r] = scales[at], roots[at]

    moved = step()

    @njit(**EXACT)
    def move(own, w, at, a, b, exact):
        rates, _tables, _steps, now, first, second = own
        new, m, v = moved(
            rates, load(w, at), load(first, at), load(second, at), a * b, load(now, 0), load(now, LANES)
        )
        store(w, at, new)
        store(first, at, m)
        store(second, at, v)

    return Hooks("adam", move, begin, nothing_more)


def step() -> Callable:
    """step(rates, w, m, v, g, scale, root), as in `perennial.learning.engines.fused.moments`, for vectors."""

    @njit(**EXACT)
    def moved(rates, w, m, v, g, scale, root):
        zero, tiny = number(w, 0), number(w, TINY)
        g = g + rates[DECAY] * w
        m = rates[BETA_1] * m + rates[GAIN_1] * g
        v = rates[BETA_2] * v + rates[GAIN_2] * g * g
        m, v = where(absolute(m) > tiny, m, zero), where(v > tiny, v, zero)
        return w - scale * m / (square_root(v) / root + rates[EPSILON]), m, v

    return moved

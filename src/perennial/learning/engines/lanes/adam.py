"""Adam with eight runs in the lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.adam import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.fused.moments import rates, scales_and_roots, step
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing_more, side_by_side
from perennial.learning.engines.vectors import LANES, load, store

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

    @njit(**INNER)
    def begin(own):
        _rates, (scales, roots), steps, now, _first, _second = own
        for r in range(LANES):
            steps[r] += 1
            at = min(steps[r], scales.shape[0] - 1)
            now[r], now[LANES + r] = scales[at], roots[at]

    moved = step(layout)

    @njit(**INNER)
    def move(own, w, at, a, b, exact):
        rates, _tables, _steps, now, first, second = own
        new, m, v = moved(
            rates, load(w, at), load(first, at), load(second, at), a * b, load(now, 0), load(now, LANES)
        )
        store(w, at, new)
        store(first, at, m)
        store(second, at, v)

    return Hooks("adam", move, begin, nothing_more)

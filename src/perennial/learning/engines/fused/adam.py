"""Adam, compiled: one sweep over weights and moments; the rank-1 gradient is never stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.adam import Settings
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing_more
from perennial.learning.engines.fused.moments import rates, scales_and_roots, step
from perennial.learning.engines.fused.rows import access, access_biases
from perennial.learning.engines.vectors import fma, number

__all__ = ["hooks", "pack", "unpack", "unsupported"]

SCALE, ROOT = 6, 7  # of this step; further places in the array of rates


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, tables over the step, [steps done], first moment, second moment); moments are packed like weights."""
    optimiser = state.get("optimiser")
    steps = int(optimiser["step"][run]) if optimiser else 0
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    kept = [optimiser[kind] if optimiser else zero for kind in ("first_moment", "second_moment")]
    own_rates = np.array([*rates(settings), 0, 0], layout.dtype)
    tables = scales_and_roots(settings, layout.dtype)
    return own_rates, tables, np.array([steps]), *(layout.pack(moment, run) for moment in kept)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Moments and step count."""
    first, second = layout.unpack(own[3]), layout.unpack(own[4])
    optimiser = {"first_moment": first, "second_moment": second, "step": own[2][0].copy()}
    return {"optimiser": optimiser, "algorithm": {}}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """Moments of every weight change at every step, so every row is swept."""
    layers = range(layout.layers)
    rows, biases = [_row(layout, n) for n in layers], [_bias(layout, n) for n in layers]
    return Hooks("adam", rows, biases, _begin(layout), nothing_more, dense=True)


def _begin(layout: Layout) -> Callable:
    """Count the step and look up its step size and bias correction."""

    @njit(**INNER)
    def begin(own):
        rates, (scales, roots), steps = own[0], own[1], own[2]
        steps[0] += 1
        at = min(steps[0], scales.shape[0] - 1)
        rates[SCALE], rates[ROOT] = scales[at], roots[at]

    return begin


def _row(layout: Layout, layer: int) -> Callable:
    (length, stride, take, put, add_up), moved = access(layout, layer), step(layout)
    zero, at = layout.number(0), layer * layout.width

    @njit(**INNER)
    def row(net, own, j, a, b):
        rates, w, m, v = own[0], net[0][layer], own[3][0][layer], own[4][0][layer]
        first, scale, root = j * length, rates[SCALE], rates[ROOT]
        s = number(take(w, first), zero)
        for i in range(first, first + length, stride):
            old, d = take(w, i), take(b, at + i - first)
            s = fma(old, d, s)
            new, mean, square = moved(rates, old, take(m, i), take(v, i), a * d, scale, root)
            put(w, i, new)
            put(m, i, mean)
            put(v, i, square)
        return add_up(s)

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    (length, stride, take, put, _), moved = access_biases(layout, layer), step(layout)
    at = layer * layout.width

    @njit(**INNER)
    def update(net, own, delta):
        rates, w, m, v = own[0], net[1][layer], own[3][1][layer], own[4][1][layer]
        for i in range(0, length, stride):
            d = take(delta, at + i)
            new, mean, square = moved(rates, take(w, i), take(m, i), take(v, i), d, rates[SCALE], rates[ROOT])
            put(w, i, new)
            put(m, i, mean)
            put(v, i, square)

    return update

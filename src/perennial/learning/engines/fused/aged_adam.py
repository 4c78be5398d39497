"""Adam with an age for each weight, compiled: the gradient step of continual backpropagation on Adam.

A renewed weight forgets its moments and is corrected for its own age. Step size and bias corrections depend on
the age alone, so both come from tables: w <- w - scale[t] m / (sqrt(v) / root[t] + epsilon).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.fused.moments import rates, scales_and_roots, step
from perennial.learning.engines.fused.rows import dot

RATES, SCALES, ROOTS, FIRST, SECOND, AGE = range(6)  # places among the arrays
KINDS = ("first_moment", "second_moment", "age")


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, scale by age, root by age, first moment, second moment, age); the last three packed like weights."""
    optimiser = state.get("optimiser")
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    kept = [layout.pack(optimiser[kind] if optimiser else zero, run) for kind in KINDS]
    tables = scales_and_roots(settings, layout.dtype, damped=settings.adam_bias_correction == "gnt_bug")
    return (np.array(rates(settings), layout.dtype), *tables, *kept)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Moments and ages."""
    kept = zip(KINDS, own[FIRST:], strict=True)
    return {"optimiser": {kind: layout.unpack(arrays) for kind, arrays in kept}, "algorithm": {}}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """Moments of every weight change at every step, so every row is swept."""
    layers = range(layout.layers)
    rows, biases = [_row(layout, n) for n in layers], [_bias(layout, n) for n in layers]
    return Hooks("aged_adam", rows, biases, nothing, nothing_more, dense=True)


def forget(layout: Layout, layer: int) -> Callable:
    """forget(own, unit): start the moments and ages of a unit's incoming and outgoing weights and bias at zero."""
    turned, inputs, lead = layout.turned and layer == 0, layout.sizes[layer], layout.leads[layer + 1]

    @njit(**INNER)
    def forget_in(kept, unit):
        into, bias, out = kept[0][layer], kept[1][layer], kept[0][layer + 1]
        for i in range(inputs):
            if turned:
                into[unit, i] = 0
            else:
                into[i, unit] = 0
        bias[unit] = 0
        for o in range(lead):
            out[unit, o] = 0

    @njit(**INNER)
    def forget_unit(own, unit):
        forget_in(own[FIRST], unit)
        forget_in(own[SECOND], unit)
        forget_in(own[AGE], unit)

    return forget_unit


def _row(layout: Layout, layer: int) -> Callable:
    row_dot, moved, one = dot(layout, layer), step(layout), layout.number(1)

    @njit(**INNER)
    def row(net, own, j, a, b):
        rates, scales, roots = own[RATES], own[SCALES], own[ROOTS]
        w, m, v, t = net[0][layer], own[FIRST][0][layer], own[SECOND][0][layer], own[AGE][0][layer]
        last = scales.shape[0] - 1
        s = row_dot(w, j, b)
        for i in range(w.shape[1]):
            t[j, i] += one
            at = min(int(t[j, i]), last)
            w[j, i], m[j, i], v[j, i] = moved(
                rates, w[j, i], m[j, i], v[j, i], a * b[layer, i], scales[at], roots[at]
            )
        return s

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    lead, moved, one = layout.leads[layer], step(layout), layout.number(1)

    @njit(**INNER)
    def update(net, own, delta):
        rates, scales, roots = own[RATES], own[SCALES], own[ROOTS]
        w, m, v, t = net[1][layer], own[FIRST][1][layer], own[SECOND][1][layer], own[AGE][1][layer]
        for i in range(lead):
            t[i] += one
            at = min(int(t[i]), scales.shape[0] - 1)
            w[i], m[i], v[i] = moved(rates, w[i], m[i], v[i], delta[layer, i], scales[at], roots[at])

    return update

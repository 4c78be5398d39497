"""Adam with an age for each weight, compiled: the gradient step of continual backpropagation on Adam.

A renewed weight forgets its moments and is corrected for its own age. Step size and bias corrections depend on
the age alone, so both come from tables: w <- w - scale[t] m / (sqrt(v) / root[t] + epsilon).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.fused.moments import rates, scales_and_roots, step
from perennial.learning.engines.fused.rows import access, access_biases, put_one, take_one
from perennial.learning.engines.vectors import LANES, fma, load, number, store

RATES, SCALES, ROOTS, FIRST, SECOND, AGE, LOOKED_UP = range(7)  # places among the arrays
KINDS = ("first_moment", "second_moment", "age")


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, scale by age, root by age, first moment, second moment, age, the eight scales and roots at hand).

    Moments and ages are packed like weights.
    """
    optimiser = state.get("optimiser")
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    kept = [layout.pack(optimiser[kind] if optimiser else zero, run) for kind in KINDS]
    tables = scales_and_roots(settings, layout.dtype, damped=settings.adam_bias_correction == "gnt_bug")
    looked_up = np.ones(LANES, layout.dtype), np.ones(LANES, layout.dtype)
    return (np.array(rates(settings), layout.dtype), *tables, *kept, looked_up)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Moments and ages."""
    kept = zip(KINDS, own[FIRST:LOOKED_UP], strict=True)
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
    length, stride, take, _put, add_up = access(layout, layer)
    moved, zero, at = _moved(layout, stride), layout.number(0), layer * layout.width

    @njit(**INNER)
    def row(net, own, j, a, b):
        w, first = net[0][layer], j * length
        m, v, t = own[FIRST][0][layer], own[SECOND][0][layer], own[AGE][0][layer]
        s = number(take(w, first), zero)
        for i in range(first, first + length, stride):
            old, d = take(w, i), take(b, at + i - first)
            s = fma(old, d, s)
            moved(own, w, m, v, t, i, a * d)
        return add_up(s)

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    length, stride, take, _put, _add_up = access_biases(layout, layer)
    moved, at = _moved(layout, stride), layer * layout.width

    @njit(**INNER)
    def update(net, own, delta):
        w, m, v, t = net[1][layer], own[FIRST][1][layer], own[SECOND][1][layer], own[AGE][1][layer]
        for i in range(0, length, stride):
            moved(own, w, m, v, t, i, take(delta, at + i))

    return update


@cache
def _moved(layout: Layout, count: int) -> Callable:
    """moved(own, w, m, v, t, i, g): weights, moments and ages from place i on, after the gradients g; one or eight."""
    step_of, one = step(layout), layout.number(1)

    @njit(**INNER)
    def looked_up(table, t, i):
        return table[min(int(take_one(t, i)), table.shape[0] - 1)]

    @njit(**INNER)
    def eight(own, w, m, v, t, i, g):
        store(t, i, load(t, i) + one)
        scales, roots = own[LOOKED_UP][0], own[LOOKED_UP][1]
        for k in range(LANES):
            scales[k], roots[k] = looked_up(own[SCALES], t, i + k), looked_up(own[ROOTS], t, i + k)
        scale, root = load(scales, 0), load(roots, 0)
        new, mean, square = step_of(own[RATES], load(w, i), load(m, i), load(v, i), g, scale, root)
        store(w, i, new)
        store(m, i, mean)
        store(v, i, square)

    @njit(**INNER)
    def single(own, w, m, v, t, i, g):
        put_one(t, i, take_one(t, i) + one)
        scale, root = looked_up(own[SCALES], t, i), looked_up(own[ROOTS], t, i)
        new, mean, square = step_of(
            own[RATES], take_one(w, i), take_one(m, i), take_one(v, i), g, scale, root
        )
        put_one(w, i, new)
        put_one(m, i, mean)
        put_one(v, i, square)

    return single if count == 1 else eight

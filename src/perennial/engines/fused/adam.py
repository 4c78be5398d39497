"""Adam, compiled: one sweep over weights and moments; the rank-1 gradient is never stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.algorithms.adam import Settings
from perennial.engines.fused.backprop import unsupported
from perennial.engines.fused.layout import INNER, Hooks, Layout, nothing_more
from perennial.engines.fused.rows import dot

__all__ = ["hooks", "pack", "unpack", "unsupported"]

STEP, BETA_1, BETA_2, GAIN_1, GAIN_2, EPSILON, DECAY, SCALE, ROOT = range(9)  # places in the array of rates
# A moment that fades below this is set to zero: with epsilon 1e-8 it moves no weight, and arithmetic on numbers
# near the smallest of the type is many times slower.
TINY = 1e-32
FORGOTTEN = 1e-20  # below this a power of beta no longer changes 1 - power


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, exact rates, [steps done], first moment, second moment); moments are packed like weights."""
    rates = [
        settings.step_size,
        settings.beta_1,
        settings.beta_2,
        1
        - settings.beta_1,  # here, in double precision: 1 - 0.999 in single precision is wrong by 1e-5 of it
        1 - settings.beta_2,
        settings.epsilon,
        settings.weight_decay,
        0,
        0,
    ]
    optimiser = state.get("optimiser")
    steps = int(optimiser["step"][run]) if optimiser else 0
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    moments = [optimiser[kind] if optimiser else zero for kind in ("first_moment", "second_moment")]
    packed = [layout.pack(moment, run) for moment in moments]
    return np.array(rates, layout.dtype), np.array(rates), np.array([steps]), *packed


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
    """Count the step and work out its bias corrections, in double precision."""
    dtype = np.dtype(layout.dtype).type

    @njit(**INNER)
    def begin(own):
        rates, exact, steps = own[0], own[1], own[2]
        steps[0] += 1
        correct_1 = correct_2 = 1.0
        if steps[0] < np.log(FORGOTTEN) / np.log(exact[BETA_1]):
            correct_1 = 1.0 - exact[BETA_1] ** steps[0]
        if steps[0] < np.log(FORGOTTEN) / np.log(exact[BETA_2]):
            correct_2 = 1.0 - exact[BETA_2] ** steps[0]
        rates[SCALE] = dtype(exact[STEP] / correct_1)
        rates[ROOT] = dtype(np.sqrt(correct_2))

    return begin


def _moments(layout: Layout) -> Callable:
    """The moments after a gradient g, without ever coming near the smallest numbers of the type."""
    zero, tiny = layout.number(0), layout.number(TINY)

    @njit(**INNER)
    def moments(rates, m, v, g):
        first = rates[BETA_1] * m + rates[GAIN_1] * g
        second = rates[BETA_2] * v + rates[GAIN_2] * g * g
        return first if abs(first) > tiny else zero, second if second > tiny else zero

    return moments


def _row(layout: Layout, layer: int) -> Callable:
    row_dot, moments = dot(layout, layer), _moments(layout)

    @njit(**INNER)
    def row(net, own, j, a, b):
        rates, w, m, v = own[0], net[0][layer], own[3][0][layer], own[4][0][layer]
        epsilon, decay, scale, root = rates[EPSILON], rates[DECAY], rates[SCALE], rates[ROOT]
        s = row_dot(w, j, b)
        for i in range(w.shape[1]):
            m[j, i], v[j, i] = moments(rates, m[j, i], v[j, i], a * b[layer, i] + decay * w[j, i])
            w[j, i] -= scale * m[j, i] / (np.sqrt(v[j, i]) / root + epsilon)
        return s

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    lead, moments = layout.leads[layer], _moments(layout)

    @njit(**INNER)
    def update(net, own, delta):
        rates, w, m, v = own[0], net[1][layer], own[3][1][layer], own[4][1][layer]
        for i in range(lead):
            m[i], v[i] = moments(rates, m[i], v[i], delta[layer, i] + rates[DECAY] * w[i])
            w[i] -= rates[SCALE] * m[i] / (np.sqrt(v[i]) / rates[ROOT] + rates[EPSILON])

    return update

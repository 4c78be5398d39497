"""Adam with an age for each weight, compiled: the gradient step of continual backpropagation on Adam.

A renewed weight forgets its moments and is corrected for its own age. Step size and bias corrections depend on
the age alone, so both come from tables: w <- w - scale[t] m / (sqrt(v) / root[t] + epsilon).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.algorithms.cbp import Settings
from perennial.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.engines.fused.rows import dot

BETA_1, BETA_2, GAIN_1, GAIN_2, EPSILON, DECAY = range(6)  # places in the array of rates
RATES, SCALES, ROOTS, FIRST, SECOND, AGE = range(6)  # places among the arrays
KINDS = ("first_moment", "second_moment", "age")
TINY = 1e-32  # a moment that fades below this is set to zero; see engines/fused/adam.py
FORGOTTEN = 1e-20  # below this a power of beta no longer changes 1 - power


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, scale by age, root by age, first moment, second moment, age); the last three packed like weights."""
    beta_1, beta_2 = settings.beta_1, settings.beta_2
    rates = [beta_1, beta_2, 1 - beta_1, 1 - beta_2, settings.epsilon, settings.weight_decay]
    ages = np.arange(_enough(beta_1, beta_2))
    correct_1, correct_2 = (1.0 - beta**ages if beta else np.ones(len(ages)) for beta in (beta_1, beta_2))
    correct_1[0] = correct_2[0] = 1  # age 0 does not occur in a step
    if settings.adam_bias_correction == "gnt_bug":
        scales, roots = settings.step_size * correct_2, np.ones(len(ages))
    else:
        scales, roots = settings.step_size / correct_1, np.sqrt(correct_2)
    optimiser = state.get("optimiser")
    zero = {name: np.zeros_like(w) for name, w in state["weights"].items()}
    kept = [layout.pack(optimiser[kind] if optimiser else zero, run) for kind in KINDS]
    return (*(np.array(table, layout.dtype) for table in (rates, scales, roots)), *kept)


def _enough(*betas: float) -> int:
    """Entries of a table over ages; its last one stands for all above."""
    return max([2, *(int(np.log(FORGOTTEN) / np.log(beta)) + 2 for beta in betas if beta > FORGOTTEN)])


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


def _step(layout: Layout) -> Callable:
    """(weight, first moment, second moment, age) after a step with gradient g."""
    zero, one, tiny = (layout.number(n) for n in (0, 1, TINY))

    @njit(**INNER)
    def step(rates, scales, roots, w, m, v, t, g):
        t += one
        at = min(int(t), scales.shape[0] - 1)
        g += rates[DECAY] * w
        m = rates[BETA_1] * m + rates[GAIN_1] * g
        v = rates[BETA_2] * v + rates[GAIN_2] * g * g
        m, v = m if abs(m) > tiny else zero, v if v > tiny else zero
        return w - scales[at] * m / (np.sqrt(v) / roots[at] + rates[EPSILON]), m, v, t

    return step


def _row(layout: Layout, layer: int) -> Callable:
    row_dot, step = dot(layout, layer), _step(layout)

    @njit(**INNER)
    def row(net, own, j, a, b):
        rates, scales, roots = own[RATES], own[SCALES], own[ROOTS]
        w, m, v, t = net[0][layer], own[FIRST][0][layer], own[SECOND][0][layer], own[AGE][0][layer]
        s = row_dot(w, j, b)
        for i in range(w.shape[1]):
            w[j, i], m[j, i], v[j, i], t[j, i] = step(
                rates, scales, roots, w[j, i], m[j, i], v[j, i], t[j, i], a * b[layer, i]
            )
        return s

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    lead, step = layout.leads[layer], _step(layout)

    @njit(**INNER)
    def update(net, own, delta):
        rates, scales, roots = own[RATES], own[SCALES], own[ROOTS]
        w, m, v, t = net[1][layer], own[FIRST][1][layer], own[SECOND][1][layer], own[AGE][1][layer]
        for i in range(lead):
            w[i], m[i], v[i], t[i] = step(rates, scales, roots, w[i], m[i], v[i], t[i], delta[layer, i])

    return update

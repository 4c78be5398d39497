"""Starting units afresh, compiled: the last act of a step of continual backpropagation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial import streams
from perennial.learning.algorithms._renewal import UNIT_STRIDE
from perennial.learning.engines.fused.layout import INNER, Layout
from perennial.learning.engines.fused.rows import take_one
from perennial.learning.engines.vectors import LANES
from perennial.learning.networks.mlp import bounds
from perennial.streams.compiled import fill_uniforms

REPLACEMENT = streams.REPLACEMENT
PLANES = 6
UTILITY, MEAN, INCOMING, OUTGOING, SCORE, CORRECTION = range(PLANES)  # of `units` [plane, hidden layer, unit]
KIND, MATURITY, OF_WIDTH, BERNOULLI, TRANSFER = range(5)


def place(layout: Layout, plane: int, layer: int) -> int:
    """Where in the memory of `units` the numbers of a hidden layer begin."""
    return (plane * (layout.layers - 1) + layer) * layout.width


@njit(**INNER)
def part(w, first, stride, start, count):
    """The sum of every eighth |w| from number `start` on, of `count` numbers that lie `stride` apart in its memory."""
    found = take_one(w, first) - take_one(w, first)
    for i in range(start, count, LANES):
        found += abs(take_one(w, first + i * stride))
    return found


@njit(**INNER)
def size(w, first, stride, count):
    """The sum of |w| over those numbers, in the order of `perennial.learning.engines.vectors`."""
    s0, s4 = part(w, first, stride, 0, count), part(w, first, stride, 4, count)
    s1, s5 = part(w, first, stride, 1, count), part(w, first, stride, 5, count)
    s2, s6 = part(w, first, stride, 2, count), part(w, first, stride, 6, count)
    s3, s7 = part(w, first, stride, 3, count), part(w, first, stride, 7, count)
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


def renew_layer(layout: Layout, layer: int, forget: Callable) -> Callable:
    """Renew the chosen units of one hidden layer; `forget(own, unit)` clears the gradient step's memory of one."""
    inputs, turned, dtype = layout.sizes[layer], layout.turned and layer == 0, np.dtype(layout.dtype).type
    bound, one, two = (
        layout.number(bounds(layout.activation, layout.sizes)[layer]),
        *map(layout.number, (1, 2)),
    )
    next_lead, next_hidden = layout.leads[layer + 1], layer + 2 < layout.layers

    @njit(**INNER)
    def incoming(net, own, unit, seed, task, step):
        w, units, u = net[0][layer], own[4], own[8]
        fill_uniforms(u, REPLACEMENT, seed, task, step, layer + UNIT_STRIDE * (unit + 1))
        for i in range(inputs):
            new = (dtype(u[i]) * two - one) * bound
            old = w[unit, i] if turned else w[i, unit]
            if turned:
                w[unit, i] = new
            else:
                w[i, unit] = new
            if layer > 0:
                units[OUTGOING, layer - 1, i] += abs(new) - abs(old)
        first, stride = (unit * w.shape[1], 1) if turned else (unit, w.shape[1])
        units[INCOMING, layer, unit] = size(w, first, stride, inputs)

    @njit(**INNER)
    def renew(net, own, work, seed, task, step):
        choices, corrections, units, ages, chosen = own[1], own[3], own[4], own[5], own[7]
        out, next_bias = net[0][layer + 1], net[1][layer + 1]
        for k in range(chosen[layer, 0]):
            unit = chosen[layer, k + 1]
            correction = corrections[min(ages[layer, unit], corrections.shape[0] - 1)]
            mean = units[MEAN, layer, unit] / correction if choices[TRANSFER] else one - one
            incoming(net, own, unit, seed, task, step)
            for o in range(next_lead):
                next_bias[o] += mean * out[unit, o]
                if next_hidden:
                    units[INCOMING, layer + 1, o] -= abs(out[unit, o])
                out[unit, o] = 0
            units[OUTGOING, layer, unit] = 0
            units[UTILITY, layer, unit] = 0
            units[MEAN, layer, unit] = 0
            ages[layer, unit] = 0
            net[1][layer][unit] = 0
            forget(own, unit)

    return renew

"""L2 regularisation, compiled: every row decays at every step, in the pass that updates it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.algorithms.l2 import Settings
from perennial.engines.fused import backprop
from perennial.engines.fused.backprop import unpack, unsupported
from perennial.engines.fused.layout import IN_ORDER, INNER, Hooks, Layout, nothing, nothing_more
from perennial.engines.fused.rows import dot

__all__ = ["hooks", "pack", "row_and_bias", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """([step size, share of a weight lost per step],)."""
    return (np.array([settings.step_size, settings.step_size * settings.weight_decay], layout.dtype),)


def hooks(layout: Layout) -> Hooks:
    """w <- w - step_size (g + weight_decay w)."""
    row, bias = row_and_bias(layout)
    return Hooks(row, bias, nothing, nothing_more, dense=True)


def row_and_bias(layout: Layout) -> tuple[list[Callable], list[Callable]]:
    """The update with decay, for algorithms whose first array starts with step size and share lost."""
    layers = range(layout.layers)
    return [_row(layout, n) for n in layers], [_bias(layout, n) for n in layers]


@njit(**IN_ORDER)
def _decayed(w: float, lost: float, change: float) -> float:
    """The weight after decay and change, rounded once, as in the definition.

    In single precision 1 - 3e-6 is wrong by 1 % of the decay, and w - lost w is off the same way at every step.
    """
    return w - (lost * w + change)


def _row(layout: Layout, layer: int) -> Callable:
    row_dot, plain, zero = dot(layout, layer), backprop.row(layout, layer), layout.number(0)

    @njit(**INNER)
    def row(net, own, j, a, b):
        w, c, lost = net[0][layer], own[0][0] * a, own[0][1]
        if lost == zero:  # backpropagation to the last bit
            return plain(net, own, j, a, b)
        s = row_dot(w, j, b)
        for i in range(w.shape[1]):
            w[j, i] = _decayed(w[j, i], lost, c * b[layer, i])
        return s

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    lead, plain, zero = layout.leads[layer], backprop.bias(layout, layer), layout.number(0)

    @njit(**INNER)
    def update(net, own, delta):
        b, step_size, lost = net[1][layer], own[0][0], own[0][1]
        if lost == zero:
            plain(net, own, delta)
            return
        for i in range(lead):
            b[i] = _decayed(b[i], lost, step_size * delta[layer, i])

    return update

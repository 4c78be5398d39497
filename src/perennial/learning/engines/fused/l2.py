"""L2 regularisation, compiled: every row decays at every step, in the pass that updates it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.l2 import Settings
from perennial.learning.engines.fused.backprop import unpack, unsupported
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.fused.rows import sweep, sweep_biases
from perennial.learning.engines.vectors import fma

__all__ = ["hooks", "pack", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """([step size, share of a weight lost per step],)."""
    return (np.array([settings.step_size, settings.step_size * settings.weight_decay], layout.dtype),)


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """w <- w - step_size (g + weight_decay w)."""
    layers = range(layout.layers)
    rows, biases = [_row(layout, n) for n in layers], [_bias(layout, n) for n in layers]
    return Hooks("l2", rows, biases, nothing, nothing_more, dense=True)


@njit(**INNER)
def decay(w, d, rates):
    """w - (lost w + c d). Not (1 - lost) w: in single precision 1 - 3e-6 is wrong by 1 % of the decay."""
    c, lost = rates
    return w - fma(lost, w, c * d)


def _row(layout: Layout, layer: int) -> Callable:
    update = sweep(layout, layer, decay)

    @njit(**INNER)
    def row(net, own, j, a, b):
        return update(net[0][layer], j, b, (own[0][0] * a, own[0][1]))

    return row


def _bias(layout: Layout, layer: int) -> Callable:
    update = sweep_biases(layout, layer, decay)

    @njit(**INNER)
    def updated(net, own, delta):
        update(net[1][layer], delta, (own[0][0], own[0][1]))

    return updated

"""Backpropagation, compiled: the rank-1 gradient is never stored, and rows of zero activation are skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.fused.rows import dot, less


def unsupported(settings: Settings) -> str | None:
    """All but momentum."""
    return "momentum has no compiled loop" if getattr(settings, "momentum", 0) else None


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(step size,)."""
    return (np.array([settings.step_size], layout.dtype),)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Nothing is kept between steps."""
    return {"optimiser": {}, "algorithm": {}}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """A row is read and rewritten only where its input is not zero."""
    layers = range(layout.layers)
    rows, biases = [_row(layout, n) for n in layers], [bias(layout, n) for n in layers]
    return Hooks("backprop", rows, biases, nothing, nothing_more)


def _row(layout: Layout, layer: int) -> Callable:
    row_dot = dot(layout, layer)

    @njit(**INNER)
    def row(net, own, j, a, b):
        w, c = net[0][layer], own[0][0] * a
        s = row_dot(w, j, b)
        for i in range(w.shape[1]):
            w[j, i] = less(w[j, i], c * b[layer, i])
        return s

    return row


def bias(layout: Layout, layer: int) -> Callable:
    """b <- b - step_size delta, for algorithms whose first array starts with the step size."""
    lead = layout.leads[layer]

    @njit(**INNER)
    def update(net, own, delta):
        b, step_size = net[1][layer], own[0][0]
        for i in range(lead):
            b[i] = less(b[i], step_size * delta[layer, i])

    return update

"""Backpropagation, compiled: the rank-1 gradient is never stored, and rows of zero activation are skipped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.fused.rows import sweep, sweep_biases


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
    update = sweep(layout, layer, descend)

    @njit(**INNER)
    def row(net, own, j, a, b):
        return update(net[0][layer], j, b, own[0][0] * a)

    return row


@njit(**INNER)
def descend(w, d, c):
    """w - c d; the change is a number of its own, as in the definition."""
    return w - c * d


def bias(layout: Layout, layer: int) -> Callable:
    """b <- b - step_size delta, for algorithms whose first array starts with the step size."""
    update = sweep_biases(layout, layer, descend)

    @njit(**INNER)
    def updated(net, own, delta):
        update(net[1][layer], delta, own[0][0])

    return updated

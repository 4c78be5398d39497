"""L2 regularisation with eight runs in the lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.l2 import Settings
from perennial.learning.engines.compiling import EXACT
from perennial.learning.engines.fused.backprop import unpack, unsupported
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.vectors import load, number, store

__all__ = ["hooks", "pack", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """([step size, share of a weight lost per step],)."""
    return (np.array([settings.step_size, settings.step_size * settings.weight_decay], layout.dtype),)


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """w <- w - step_size (g + weight_decay w)."""
    return Hooks("l2", _move, nothing, nothing_more)


@njit(**EXACT)
def _move(own, w, at, a, b):
    old = load(w, at)
    store(w, at, old - (number(a, own[0][1]) * old + number(a, own[0][0]) * a * b))

"""Backpropagation with eight runs in the lanes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.compiling import EXACT
from perennial.learning.engines.fused.backprop import unpack, unsupported
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.vectors import load, number, store

__all__ = ["hooks", "pack", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(step size,)."""
    return (np.array([settings.step_size], layout.dtype),)


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """w <- w - step_size g."""
    return Hooks("backprop", move, nothing, nothing_more)


@njit(**EXACT)
def move(own, w, at, a, b):
    """For algorithms whose first array starts with the step size."""
    store(w, at, load(w, at) - number(a, own[0][0]) * a * b)

"""Backpropagation with eight runs in the lanes."""

from __future__ import annotations

from typing import Any

from numba import njit

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.fused.backprop import unpack, unsupported
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.vectors import fma, load, store

__all__ = ["hooks", "pack", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(rates,), which are (step size,)."""
    return (layout.numbers(settings.step_size),)


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """w <- w - step_size g."""
    return Hooks("backprop", move, nothing, nothing_more)


@njit(**INNER)
def move(own, w, at, a, b, exact):
    """For algorithms whose rates start with the step size."""
    c, old = own[0][0] * a, load(w, at)
    store(w, at, fma(-c, b, old) if exact else old - c * b)

"""L2 regularisation with eight runs in the lanes."""

from __future__ import annotations

from typing import Any

from numba import njit

from perennial.learning.algorithms.l2 import Settings
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.fused.backprop import unpack, unsupported
from perennial.learning.engines.lanes.layout import Hooks, Layout, nothing, nothing_more
from perennial.learning.engines.vectors import fma, load, store

__all__ = ["hooks", "pack", "unpack", "unsupported"]


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(rates,), which are (step size, share of a weight lost per step)."""
    return (layout.numbers(settings.step_size, settings.step_size * settings.weight_decay),)


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """w <- w - step_size (g + weight_decay w)."""
    return Hooks("l2", _move, nothing, nothing_more)


@njit(**INNER)
def _move(own, w, at, a, b, exact):
    (step_size, lost), old = own[0], load(w, at)
    store(w, at, old - fma(lost, old, step_size * a * b))

"""Gradient descent with momentum on flat vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.learning.algorithms.backprop import Settings

MEMORIES = ("velocity",)


def unsupported(settings: Settings) -> str | None:
    """All settings have a fast path."""
    return None


def step(settings: Settings, w: np.ndarray, g: np.ndarray, memories: list[np.ndarray], updates: int) -> None:
    """As `algorithms.backprop`, of all parameters at once."""
    number: Any = w.dtype.type
    for v in memories:  # none without momentum
        v *= number(settings.momentum)
        v += g
        g = v
    w -= number(settings.step_size) * g

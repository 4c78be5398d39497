"""Adam on flat vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.learning.algorithms._moments import Settings, bias_correction

MEMORIES = ("first_moment", "second_moment")


def unsupported(settings: Settings) -> str | None:
    """All settings have a fast path."""
    return None


def step(settings: Settings, w: np.ndarray, g: np.ndarray, memories: list[np.ndarray], updates: int) -> None:
    """As `algorithms.adam`, of all parameters at once; `updates` counts this one."""
    m, v = memories
    number: Any = w.dtype.type
    if settings.weight_decay:
        g = g + number(settings.weight_decay) * w
    m *= number(settings.beta_1)
    m += number(1 - settings.beta_1) * g
    v *= number(settings.beta_2)
    v += number(1 - settings.beta_2) * (g * g)
    first, second = (
        bias_correction(beta, np.array(float(updates))) for beta in (settings.beta_1, settings.beta_2)
    )
    root = np.sqrt(v)
    root *= number(1 / np.sqrt(second))
    root += number(settings.epsilon)
    np.divide(m, root, out=root)
    root *= number(settings.step_size / first)
    w -= root

"""What the loops on Adam share: the moments of a weight, and step size and bias correction by age."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.engines.fused.layout import INNER, Layout

BETA_1, BETA_2, GAIN_1, GAIN_2, EPSILON, DECAY = range(6)  # places in the array of rates
# A moment that fades below this is set to zero: with epsilon 1e-8 it moves no weight, and arithmetic on numbers
# near the smallest of the type is many times slower.
TINY = 1e-32
FORGOTTEN = 1e-20  # below this a power of beta no longer changes 1 - power


def rates(settings: Any) -> list[float]:
    """The rates of Adam; gains in double precision: 1 - 0.999 in single precision is wrong by 1e-5 of it."""
    beta_1, beta_2 = settings.beta_1, settings.beta_2
    return [beta_1, beta_2, 1 - beta_1, 1 - beta_2, settings.epsilon, settings.weight_decay]


def scales_and_roots(settings: Any, dtype: str, damped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Tables over a weight's age t, for w <- w - scale[t] m / (sqrt(v) / root[t] + epsilon).

    Args:
        damped: the bias correction of the authors' code, scale = step_size (1 - beta_2^t) and root = 1.

    Returns:
        two arrays; entry 0 does not occur in a step, the last one stands for all ages above.
    """
    betas = (settings.beta_1, settings.beta_2)
    enough = max([2, *(int(np.log(FORGOTTEN) / np.log(beta)) + 2 for beta in betas if beta > FORGOTTEN)])
    ages = np.arange(1, enough)
    correct_1, correct_2 = (
        np.append(1.0, -np.expm1(ages * np.log(b)) if b else np.ones(enough - 1)) for b in betas
    )
    scales, roots = settings.step_size / correct_1, np.sqrt(correct_2)
    if damped:
        scales, roots = settings.step_size * correct_2, np.ones(enough)
    return scales.astype(dtype), roots.astype(dtype)


@cache
def moments(layout: Layout) -> Callable:
    """The moments after a gradient g, without ever coming near the smallest numbers of the type."""
    zero, tiny = layout.number(0), layout.number(TINY)

    @njit(**INNER)
    def moved(rates, m, v, g):
        first = rates[BETA_1] * m + rates[GAIN_1] * g
        second = rates[BETA_2] * v + rates[GAIN_2] * g * g
        return first if abs(first) > tiny else zero, second if second > tiny else zero

    return moved

"""Moments, compiled: one step of Adam on one weight, and step sizes and bias corrections by age as tables."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.engines.fused.layout import INNER, Layout
from perennial.learning.engines.vectors import absolute, square_root, where

BETA_1, BETA_2, GAIN_1, GAIN_2, EPSILON, DECAY = range(6)  # places in the array of rates
# A moment that fades below this is set to zero: with epsilon 1e-8 it moves no weight, and arithmetic on numbers
# near the smallest of the type is many times slower.
TINY = 1e-32
FORGOTTEN = 1e-20  # below this a power of beta no longer changes 1 - power


def rates(settings: Any) -> list[float]:
    """The rates of Adam; gains in double precision: 1 - 0.999 in single precision is wrong by 1e-5 of it."""
    beta_1, beta_2 = settings.beta_1, settings.beta_2
    return [beta_1, beta_2, 1 - beta_1, 1 - beta_2, settings.epsilon, settings.weight_decay]


def corrections(decay: float, dtype: Any = np.float64, least: int = 2) -> np.ndarray:
    """1 - decay^age for age 0, 1, ... until the power no longer matters; the last entry stands for all above.

    Args:
        least: number of entries at least. Entry 0 does not occur in a step.
    """
    enough = 2
    if decay > FORGOTTEN:
        enough = int(math.log(FORGOTTEN) / math.log(decay)) + 2
    return _corrections(decay, max(enough, least)).astype(dtype)


@cache
def _corrections(decay: float, count: int) -> np.ndarray:
    """In decimal numbers of many digits: a library's powers and logarithms differ from machine to machine."""
    with decimal.localcontext(prec=40):
        base, power, found = decimal.Decimal(decay), decimal.Decimal(1), [1.0]
        for _ in range(1, count):
            power *= base
            found.append(float(1 - power))
    return np.array(found)


def scales_and_roots(settings: Any, dtype: str, damped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Tables over a weight's age t, for w <- w - scale[t] m / (sqrt(v) / root[t] + epsilon).

    Args:
        damped: the bias correction of the authors' code, scale = step_size (1 - beta_2^t) and root = 1.

    Returns:
        two arrays; entry 0 does not occur in a step, the last one stands for all ages above.
    """
    betas = (settings.beta_1, settings.beta_2)
    enough = max(len(corrections(beta)) for beta in betas)
    correct_1, correct_2 = (corrections(beta, least=enough) for beta in betas)
    scales, roots = settings.step_size / correct_1, np.sqrt(correct_2)
    if damped:
        scales, roots = settings.step_size * correct_2, np.ones(enough)
    return scales.astype(dtype), roots.astype(dtype)


@cache
def step(layout: Layout) -> Callable:
    """step(rates, w, m, v, g, scale, root): weights and moments after the gradient g, and weight decay; one or eight.

    A moment never comes near the smallest numbers of the type.
    """
    zero, tiny = layout.number(0), layout.number(TINY)

    @njit(**INNER)
    def moved(rates, w, m, v, g, scale, root):
        g = g + rates[DECAY] * w
        m = rates[BETA_1] * m + rates[GAIN_1] * g
        v = rates[BETA_2] * v + rates[GAIN_2] * g * g
        m, v = where(absolute(m) > tiny, m, zero), where(v > tiny, v, zero)
        return w - scale * m / (square_root(v) / root + rates[EPSILON]), m, v

    return moved

"""The utility of a unit, compiled: `perennial.learning.algorithms.cbp.instantaneous_utility` for one example."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from numba import njit

from perennial.learning.engines.fused.layout import INNER, Layout
from perennial.learning.engines.vectors import absolute, number

KINDS = (
    "contribution", "zero_contribution", "adaptable_contribution", "adaptation", "weight", "feature_by_input", "random",
)  # fmt: skip
CONTRIBUTION, ZERO_CONTRIBUTION, ADAPTABLE, ADAPTATION, WEIGHT, _, RANDOM = range(7)  # places there


@cache
def utility(layout: Layout) -> Callable:
    """utility(kind, h, mean, outgoing, incoming) of one unit or eight; `mean` is of its h, the last two of its |w|."""
    one = layout.number(1)

    @njit(**INNER)
    def of_unit(kind, h, mean, outgoing, incoming):
        deviation = absolute(h - mean)
        if kind == ADAPTABLE:
            y = outgoing * deviation / incoming
        elif kind == CONTRIBUTION:
            y = outgoing * absolute(h)
        elif kind == ZERO_CONTRIBUTION:
            y = outgoing * deviation
        elif kind == ADAPTATION:
            y = number(incoming, one) / incoming
        elif kind in (WEIGHT, RANDOM):
            y = outgoing
        else:
            y = deviation / incoming
        return y

    return of_unit

"""What the algorithms' row updates have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from numba import njit

from perennial.learning.engines.fused.layout import EXACT, INNER, Layout


@cache
def dot(layout: Layout, layer: int) -> Callable:
    """dot(w, j, b): the product of row j of w with b[layer, :], before the row is updated.

    A loop of its own, although fusing it with the update would save a pass over the row: so every algorithm
    adds in the same order, and continual backpropagation at rate 0 is backpropagation to the last bit.
    """
    zero, needed = layout.number(0), layer > 0  # below the first layer nothing has a delta

    @njit(**INNER)
    def row_dot(w, j, b):
        s = zero
        if needed:
            for i in range(w.shape[1]):  # not a constant: short loops of known length are not vectorised
                s += w[j, i] * b[layer, i]
        return s

    return row_dot


@njit(**EXACT)
def less(w: float, change: float) -> float:
    """w - change, where the change is a number of its own, as in the definition.

    Were the two merged, w - (lost w + c b) might become (w - lost w) - c b, which is off the same way at every
    step in single precision; and no decay would no longer be backpropagation to the last bit.
    """
    return w - change

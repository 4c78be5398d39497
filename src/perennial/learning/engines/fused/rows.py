"""What the algorithms' row updates have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from numba import njit

from perennial.learning.engines import sums
from perennial.learning.engines.vectors import fma, load, number, store, total
from perennial.learning.engines.fused.layout import INNER, Layout


WIDE = 512  # outputs from which on whole rows are added, four at a time: their matrices lie far from the processor


@cache
def add(layout: Layout, layer: int) -> Callable:
    """add(z, at, w, starts, factors, terms): add rows of w, in their order, to z[at ...]; see `sums.add_blocks`."""
    lead, length = layout.leads[layer], layout.lengths[layer]
    if lead < WIDE:
        return sums.add_blocks(1, lead, 0, 0, length)

    @njit(**INNER)
    def whole_rows(z, at, w, starts, factors, terms):
        k = 0
        while k + 4 <= terms:  # z is loaded and stored a quarter as often
            j0, j1, j2, j3 = (starts[k] * lead, starts[k + 1] * lead, starts[k + 2] * lead, starts[k + 3] * lead)
            v0, v1, v2, v3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
            for i in range(0, lead, 8):
                s = fma(v0, load(w, j0 + i), load(z, at + i))
                s = fma(v2, load(w, j2 + i), fma(v1, load(w, j1 + i), s))
                store(z, at + i, fma(v3, load(w, j3 + i), s))
            k += 4
        while k < terms:
            j, v = starts[k] * lead, factors[k]
            for i in range(0, lead, 8):
                store(z, at + i, fma(v, load(w, j + i), load(z, at + i)))
            k += 1

    return whole_rows


@cache
def sweep(layout: Layout, layer: int, change: Callable) -> Callable:
    """row(w, j, b, values): update row j of w by change(old, d, values), d the numbers of b[layer, :]; eight at a time.

    Returns:
        a compiled function, whose result is the product of the old row with b[layer, :].
    """
    zero, length, at = layout.number(0), layout.leads[layer], layer * layout.width
    if layout.turned and layer == 0:
        length = layout.lengths[0]

    @njit(**INNER)
    def row(w, j, b, values):
        first = j * length
        s = number(load(w, first), zero)
        for i in range(0, length, 8):
            old, d = load(w, first + i), load(b, at + i)
            s = fma(old, d, s)
            store(w, first + i, change(old, d, values))
        return total(s)

    @njit(**INNER)
    def only(w, j, b, values):
        old, d = w[j, 0], b[layer, 0]
        w[j, 0] = change(old, d, values)
        return old * d

    return only if length == 1 else row


@cache
def sweep_biases(layout: Layout, layer: int, change: Callable) -> Callable:
    """update(b, delta, values): b by change(old, d, values), d the numbers of delta[layer, :]; eight at a time."""
    lead, at = layout.leads[layer], layer * layout.width

    @njit(**INNER)
    def update(b, delta, values):
        for i in range(0, lead, 8):
            store(b, i, change(load(b, i), load(delta, at + i), values))

    @njit(**INNER)
    def only(b, delta, values):
        b[0] = change(b[0], delta[layer, 0], values)

    return only if lead == 1 else update

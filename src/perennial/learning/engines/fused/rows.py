"""What the algorithms' row updates have in common: a row is read and written eight numbers at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from numba import njit, types
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from perennial.learning.engines import sums
from perennial.learning.engines.fused.layout import INNER, Layout
from perennial.learning.engines.vectors import LANES, fma, load, number, store, total

WIDE = 512  # outputs from which on whole rows are added, four at a time: their matrices lie far from the processor


class Access(NamedTuple):
    """How compiled code goes through the rows of a layer's matrix.

        for i in range(0, length, step):
            put(w, j * length + i, take(w, j * length + i) ...)

    `take` and `put` are given a place in the array's memory; they handle eight numbers, or one where a row is no
    longer. `add_up` makes one sum of what was summed up in the lanes.
    """

    length: int  #: of a row
    step: int
    take: Callable
    put: Callable
    add_up: Callable


@intrinsic
def take_one(typing, array, at):
    """The number at a place of a contiguous array's memory, as `load` takes eight."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        return builder.load(builder.gep(data, [values[1]]))

    return signature(array.dtype, array, types.intp), generate


@intrinsic
def put_one(typing, array, at, value):
    """Put a number there, as `store` puts eight."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        data = context.make_array(array)(context, builder, values[0]).data
        builder.store(context.cast(builder, values[2], value, array.dtype), builder.gep(data, [values[1]]))
        return context.get_dummy_value()

    return signature(types.void, array, types.intp, value), generate


@njit(**INNER)
def itself(value):
    """The sum of one number."""
    return value


def access(layout: Layout, layer: int) -> Access:
    """The access to the rows of a layer; those of a turned layer are as long as its inputs."""
    return _access(layout.lengths[layer])


def access_biases(layout: Layout, layer: int) -> Access:
    """The access to arrays over the outputs of a layer."""
    return _access(layout.leads[layer])


def _access(length: int) -> Access:
    if length == 1:
        return Access(length, 1, take_one, put_one, itself)
    return Access(length, LANES, load, store, total)


@cache
def add(layout: Layout, layer: int) -> Callable:
    """add(z, at, w, starts, factors, terms): add rows of w, in their order, to z[at ...]; see `sums.add_blocks`."""
    lead = layout.leads[layer]
    if lead < WIDE:
        return sums.add_blocks(1, lead, 0, 0, layout.lengths[layer])

    @njit(**INNER)
    def whole_rows(z, at, w, starts, factors, terms):
        k = 0
        while k + 4 <= terms:  # z is loaded and stored a quarter as often
            j0, j1, j2, j3 = (
                starts[k] * lead,
                starts[k + 1] * lead,
                starts[k + 2] * lead,
                starts[k + 3] * lead,
            )
            v0, v1, v2, v3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
            for i in range(0, lead, LANES):
                s = fma(v0, load(w, j0 + i), load(z, at + i))
                s = fma(v2, load(w, j2 + i), fma(v1, load(w, j1 + i), s))
                store(z, at + i, fma(v3, load(w, j3 + i), s))
            k += 4
        while k < terms:
            j, v = starts[k] * lead, factors[k]
            for i in range(0, lead, LANES):
                store(z, at + i, fma(v, load(w, j + i), load(z, at + i)))
            k += 1

    return whole_rows


@cache
def sweep(layout: Layout, layer: int, change: Callable) -> Callable:
    """A compiled row(w, j, b, rates), which updates row j of w by change(old, d, rates), d the numbers of b[layer, :].

    It returns the product of the old row with b[layer, :]. Every algorithm adds it up in the same order, so that
    continual backpropagation at rate 0 is backpropagation to the last bit.
    """
    length, step, take, put, add_up = access(layout, layer)
    zero, at = layout.number(0), layer * layout.width

    @njit(**INNER)
    def row(w, j, b, rates):
        first = j * length
        s = number(take(w, first), zero)
        for i in range(0, length, step):
            old, d = take(w, first + i), take(b, at + i)
            s = fma(old, d, s)
            put(w, first + i, change(old, d, rates))
        return add_up(s)

    return row


@cache
def sweep_biases(layout: Layout, layer: int, change: Callable) -> Callable:
    """A compiled update(b, delta, rates): b by change(old, d, rates), d the numbers of delta[layer, :]."""
    length, step, take, put, _add_up = access_biases(layout, layer)
    at = layer * layout.width

    @njit(**INNER)
    def update(b, delta, rates):
        for i in range(0, length, step):
            put(b, i, change(take(b, i), take(delta, at + i), rates))

    return update

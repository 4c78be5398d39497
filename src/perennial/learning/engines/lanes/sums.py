"""Sums over inputs of eight runs, for all units of a layer at once, so that what the units share is loaded once.

The order is that of `perennial.learning.engines.vectors`. A matrix lies as [i, o], eight runs side by side. Written in
LLVM's intermediate language, which can hold one sum for each unit under way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba.core import types
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from perennial.learning.engines.vectors import LANES, Vector, call, place


@cache
def products(inputs: int, units: int) -> Callable:
    """A compiled sums(w, matrix, biases, x): the tuple, over j < units, of

        w[biases + j] + sum over i < inputs of x[i] w[matrix + i, j]

    where x is a flat array or a tuple of vectors. Of more than eight inputs the x must be 0 or 1: products with them
    are exact, so that it changes nothing to round them along with the sum.
    """

    @intrinsic
    def sums(typing, w, matrix, biases, x):
        vector = Vector(w.dtype)

        def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
            given = values[3]
            weight = _getter(context, builder, w, values[0])
            shown = (
                _getter(context, builder, x, given)
                if isinstance(x, types.Array)
                else lambda _start, i: builder.extract_value(given, i)
            )

            def terms(i: int, so_far: list) -> list:
                one = shown(0, i)
                weights = [weight(values[1], i * units + j) for j in range(units)]
                if not so_far:
                    return [builder.fmul(each, one) for each in weights]
                return [
                    call(builder, "fma", each, one, old) for each, old in zip(weights, so_far, strict=True)
                ]

            totals = _in_order(builder, inputs, terms)
            found = [builder.fadd(weight(values[2], j), total) for j, total in enumerate(totals)]
            return context.make_tuple(builder, own.return_type, found)

        return signature(types.UniTuple(vector, units), w, matrix, biases, x), generate

    return sums


@cache
def magnitudes(inputs: int, units: int) -> Callable:
    """A compiled sums(w): the tuple, over j < units, of the sum over i < inputs of the magnitude of w[i, j]."""

    @intrinsic
    def sums(typing, w):
        def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
            weight = _getter(context, builder, w, values[0])

            def terms(i: int, so_far: list) -> list:
                sizes = [call(builder, "fabs", weight(0, i * units + j)) for j in range(units)]
                return [builder.fadd(*pair) for pair in zip(so_far, sizes, strict=True)] if so_far else sizes

            return context.make_tuple(builder, own.return_type, _in_order(builder, inputs, terms))

        return signature(types.UniTuple(Vector(w.dtype), units), w), generate

    return sums


def _getter(context: Any, builder: Any, kind: Any, array: Any) -> Callable:
    """get(start, k): the k-th eight numbers of an array after a start."""

    def get(start: Any, k: int) -> Any:
        word = context.get_value_type(types.intp)
        at = builder.add(word(start) if isinstance(start, int) else start, word(k * LANES))
        there = place(context, builder, kind, array, at, context.get_value_type(Vector(kind.dtype)))
        return builder.load(there, align=kind.dtype.bitwidth // 8)

    return get


def _in_order(builder: Any, count: int, terms: Callable, first: int = 0, stride: int = 1) -> list:
    """Sums of the terms first, first + stride, ..., of each unit; terms(i, so far) adds the i-th ones."""
    if stride == LANES:
        so_far: list = []
        for i in range(first, count, LANES):
            so_far = terms(i, so_far)
        return so_far
    left = _in_order(builder, count, terms, first, 2 * stride)
    if first + stride >= count:
        return left
    right = _in_order(builder, count, terms, first + stride, 2 * stride)
    return [builder.fadd(*pair) for pair in zip(left, right, strict=True)]

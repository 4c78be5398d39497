"""Sums of scaled rows that stay in vector registers: the inner loop of both backward kernels.

Written in LLVM's intermediate language, because a loop in Python over an array makes the compiler load and store
the sums at every term, which costs four times as much.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from perennial.learning.engines.compiling import INNER, in_turn

LANES = 8  # rows are padded to multiples of this many numbers
REGISTERS = 24  # of 32 with AVX-512, 16 numbers each: sums that are kept at once


def padded(length: int) -> int:
    """Length of a padded row."""
    return -(-length // LANES) * LANES


@cache
def add_blocks(rows: int, length: int, to_stride: int, from_stride: int) -> Callable:
    """A compiled add(to, at, source, starts, factors, terms), which makes

        to[at + r to_stride + e] += sum over k < terms of factors[k] source[starts[k] + r from_stride + e]

    for all r < rows and e < length. Nothing checks bounds.

    Args:
        rows, length: of a block; length is a multiple of LANES.
        to_stride, from_stride: from one row of a block to the next.
    """
    lanes = 2 * LANES if length % (2 * LANES) == 0 else LANES
    at_once = max(1, REGISTERS * lanes // length)
    parts = []
    for first in range(0, rows, at_once):
        shape = (min(at_once, rows - first), length // lanes, lanes)
        parts.append(_part(_sums(shape, to_stride, from_stride), first * to_stride, first * from_stride))
    return in_turn(parts)


def _part(sums: Any, to_first: int, from_first: int) -> Callable:
    """Some rows of a block."""

    @njit(**INNER)
    def add(to, at, source, starts, factors, terms):
        sums(to, at + to_first, source, from_first, starts, factors, terms)

    return add


def _sums(shape: tuple[int, int, int], to_stride: int, from_stride: int) -> Any:
    """The same for a block of so many rows, vectors in a row and lanes in a vector, all sums in registers."""
    rows, vectors, lanes = shape
    places = [(r, v * lanes) for r in range(rows) for v in range(vectors)]

    @intrinsic
    def sums(typing, to, at, source, source_first, starts, factors, terms):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            numbers = (types.Array,)
            to, at, source, first, starts, factors, terms = (
                context.make_array(kind)(context, builder, value).data if isinstance(kind, numbers) else value
                for kind, value in zip(signature.args, arguments, strict=True)
            )
            vector = ir.VectorType(context.get_value_type(signature.args[0].dtype), lanes)
            _emit(
                builder,
                vector,
                places,
                (to_stride, from_stride),
                (to, at, source, first, starts, factors, terms),
            )
            return context.get_dummy_value()

        return types.void(to, at, source, source_first, starts, factors, terms), generate

    return sums


def _emit(
    builder: Any, vector: Any, places: list[tuple[int, int]], strides: tuple[int, int], given: tuple
) -> None:
    """Load the sums, go through the terms, store the sums."""
    to, at, source, first, starts, factors, terms = given
    word = ir.IntType(64)
    size = 4 if isinstance(vector.element, ir.FloatType) else 8  # bytes: rows may begin at any number

    def there(array: Any, start: Any, stride: int, place: tuple[int, int]) -> Any:
        index = builder.add(start, word(place[0] * stride + place[1]))
        return builder.bitcast(builder.gep(array, [index]), vector.as_pointer())

    targets = [there(to, at, strides[0], place) for place in places]
    old = [builder.load(target, align=size) for target in targets]
    before, loop, after = (
        builder.block,
        builder.append_basic_block("terms"),
        builder.append_basic_block("after"),
    )
    builder.cbranch(builder.icmp_signed(">", terms, word(0)), loop, after)

    builder.position_at_end(loop)
    k, sums = builder.phi(word), [builder.phi(vector) for _ in places]
    start = builder.add(builder.load(builder.gep(starts, [k])), first)
    factor = _everywhere(builder, vector, builder.load(builder.gep(factors, [k])))
    new = []
    for place, so_far in zip(places, sums, strict=True):
        values = builder.load(there(source, start, strides[1], place), align=size)
        product = builder.fmul(factor, values, flags=["contract"])  # a fused multiply-add where there is one
        new.append(builder.fadd(so_far, product, flags=["contract"]))
    following = builder.add(k, word(1))
    for phi, initial, later in zip([k, *sums], [word(0), *old], [following, *new], strict=True):
        phi.add_incoming(initial, before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, terms), loop, after)

    builder.position_at_end(after)
    results = [builder.phi(vector) for _ in places]
    for result, initial, later in zip(results, old, new, strict=True):
        result.add_incoming(initial, before)
        result.add_incoming(later, loop)
    for target, result in zip(targets, results, strict=True):
        builder.store(result, target, align=size)


def _everywhere(builder: Any, vector: Any, number: Any) -> Any:
    """One number in all lanes."""
    nothing, index = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    one = builder.insert_element(nothing, number, index(0))
    return builder.shuffle_vector(
        one, nothing, ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    )

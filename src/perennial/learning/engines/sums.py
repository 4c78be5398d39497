"""Sums of scaled rows that stay in vector registers: the inner loop of a forward pass, and of a convolution's backward.

Written in LLVM's intermediate language, because a loop in Python over an array makes the compiler load and store
the sums at every term, which costs four times as much. Terms are added in their order, each product and
its sum rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from perennial.learning.engines import vectors
from perennial.learning.engines.compiling import INNER, in_turn

LANES = 8  # numbers of a vector; rows are padded to multiples of it
REGISTERS = 14  # of 16 with AVX2: sums that are kept at once


def padded(length: int) -> int:
    """Length of a padded row."""
    return -(-length // LANES) * LANES


@cache
def add_blocks(rows: int, length: int, to_stride: int, from_stride: int, step: int = 1) -> Callable:
    """A compiled add(to, at, source, starts, factors, terms), which makes

        to[at + r to_stride + e] += sum over k < terms of factors[k] source[step starts[k] + r from_stride + e]

    for all r < rows and e < length. Nothing checks bounds.

    Args:
        rows, length: of a block; length is a multiple of LANES.
        to_stride, from_stride: from one row of a block to the next.
        step: what the starts are counted in.
    """
    places = [(r, e) for r in range(rows) for e in range(0, length, LANES)]
    count = -(-len(places) // REGISTERS)  # of parts, as equal as can be
    size = -(-len(places) // count)
    parts = [places[first : first + size] for first in range(0, len(places), size)]
    return in_turn([_part(_sums(part, to_stride, from_stride, step)) for part in parts])


def _part(sums: Any) -> Callable:
    @njit(**INNER)
    def add(to, at, source, starts, factors, terms):
        sums(to, at, source, starts, factors, terms)

    return add


def _sums(places: list[tuple[int, int]], to_stride: int, from_stride: int, step: int) -> Any:
    """The same for vectors that begin at some places (row, number) of a block, all sums in registers."""
    offsets = [(r * to_stride + e, r * from_stride + e) for r, e in places]

    @intrinsic
    def sums(typing, to, at, source, starts, factors, terms):
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            given = [
                context.make_array(kind)(context, builder, value).data
                if isinstance(kind, types.Array)
                else value
                for kind, value in zip(signature.args, arguments, strict=True)
            ]
            kind = vectors.Vector(signature.args[0].dtype)

            def fused(*values: Any) -> Any:
                return vectors.operation("fma")(context, builder, kind, values)

            _emit(builder, context.get_value_type(kind), fused, offsets, step, *given)
            return context.get_dummy_value()

        return types.void(to, at, source, starts, factors, terms), generate

    return sums


def _emit(
    builder: Any, vector: Any, fused: Callable, offsets: list, step: int,
    to: Any, at: Any, source: Any, starts: Any, factors: Any, terms: Any,
) -> None:  # fmt: skip
    """Load the sums, go through the terms, store the sums."""
    word = ir.IntType(64)
    size = 4 if isinstance(vector.element, ir.FloatType) else 8  # bytes: rows may begin at any number

    def there(array: Any, start: Any, offset: int) -> Any:
        return builder.bitcast(builder.gep(array, [builder.add(start, word(offset))]), vector.as_pointer())

    targets = [there(to, at, offset) for offset, _ in offsets]
    old = [builder.load(target, align=size) for target in targets]
    before, loop, after = (
        builder.block,
        builder.append_basic_block("terms"),
        builder.append_basic_block("after"),
    )
    builder.cbranch(builder.icmp_signed(">", terms, word(0)), loop, after)

    builder.position_at_end(loop)
    k, sums = builder.phi(word), [builder.phi(vector) for _ in offsets]
    start = builder.mul(builder.load(builder.gep(starts, [k])), word(step))
    factor = _everywhere(builder, vector, builder.load(builder.gep(factors, [k])))
    new = [
        fused(factor, builder.load(there(source, start, offset), align=size), so_far)
        for (_, offset), so_far in zip(offsets, sums, strict=True)
    ]
    following = builder.add(k, word(1))
    for phi, initial, later in zip([k, *sums], [word(0), *old], [following, *new], strict=True):
        phi.add_incoming(initial, before)
        phi.add_incoming(later, loop)
    builder.cbranch(builder.icmp_signed("<", following, terms), loop, after)

    builder.position_at_end(after)
    results = [builder.phi(vector) for _ in offsets]
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

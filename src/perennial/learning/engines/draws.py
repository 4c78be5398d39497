"""The random numbers of `perennial.streams` in vectors, bit for bit: eight blocks of a seed, or a block of eight seeds.

A Philox block depends on its key and its counter alone, so a round of eight blocks is one of vectors. Words are held as
64-bit numbers, those of lanes 0, 2, 4, 6 before those of 1, 3, 5, 7: a product of two words then needs no rearranging,
and at the end the second four are put into the upper halves of the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from perennial.learning.engines.compiling import INNER, LOOP
from perennial.learning.engines.elementary import exponent, fraction
from perennial.learning.engines.vectors import (
    LANES,
    Vector,
    converter,
    load,
    number,
    square_root,
    store,
    where,
)
from perennial.streams import (
    COS,
    GROUP,
    HALF_PI,
    LN2,
    LOG,
    MULTIPLY_0,
    MULTIPLY_1,
    ROUNDS,
    SIN,
    SQRT_HALF,
    SUM4_MEAN,
    SUM4_SCALE,
    WEYL_0,
    WEYL_1,
)  # fmt: skip

BLOCKS = 16  # of a group of words
M0, M1, W0, W1 = (np.uint64(c) for c in (MULTIPLY_0, MULTIPLY_1, WEYL_0, WEYL_1))
HIGH, MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
NIBBLES, OCTETS, LOW = np.uint32(0x0F0F0F0F), np.uint32(0x00FF00FF), np.uint32(0xFFFF)
FOUR, EIGHT, SIXTEEN = (np.uint32(n) for n in (4, 8, 16))
UNIT_23, ONE, HALF, MINUS_2 = (np.float32(c) for c in (2.0**-23, 1, 0.5, -2))
LOG_0, LOG_1, LOG_2, LOG_3, LOG_4, LOG_5, LOG_6, LOG_7, LOG_8 = LOG
SIN_0, SIN_1, SIN_2 = SIN
COS_0, COS_1, COS_2 = COS
single, signed = converter(types.float32), converter(types.int32)
EVEN_FIRST = [0, 2, 4, 6, 1, 3, 5, 7]
WORD, WIDE = Vector(types.uint32), Vector(types.uint64)


@intrinsic
def _numbers(typing, first):
    """The numbers of eight blocks from `first` on, the even ones first: uint64 [8]."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        one = context.cast(builder, values[0], first, WIDE)
        return builder.add(one, ir.Constant(one.type, EVEN_FIRST))

    return signature(WIDE, first), generate


@intrinsic
def _keys(typing, seeds):
    """Eight words, the even lanes first: uint64 [8]."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        places = ir.Constant(ir.VectorType(ir.IntType(32), LANES), EVEN_FIRST)
        turned = builder.shuffle_vector(values[0], values[0], places)
        return builder.zext(turned, ir.VectorType(ir.IntType(64), LANES))

    return signature(WIDE, seeds), generate


@intrinsic
def _words(typing, wide):
    """The words of eight blocks in their order: uint32 [8]."""

    def generate(context: Any, builder: Any, own: Any, values: Any) -> Any:
        halves = builder.bitcast(values[0], ir.VectorType(ir.IntType(32), 2 * LANES))
        places = [2 * EVEN_FIRST.index(block) for block in range(LANES)]
        return builder.shuffle_vector(
            halves, halves, ir.Constant(ir.VectorType(ir.IntType(32), LANES), places)
        )

    return signature(WORD, wide), generate


def _round_of(rest: Any) -> Any:
    """One round of Philox, and those that follow it; written out, since a loop would make its keys at every turn."""

    @njit(**INNER)
    def one(c0, c1, c2, c3, k0, k1):
        p0, p1 = c0 * M0, c2 * M1
        c0, c1, c2, c3 = (p1 >> HIGH) ^ (c1 ^ k0), p1 & MASK, (p0 >> HIGH) ^ (c3 ^ k1), p0 & MASK
        return rest(c0, c1, c2, c3, (k0 + W0) & MASK, (k1 + W1) & MASK)

    return one


@njit(**INNER)
def _last(c0, c1, c2, c3, k0, k1):
    return _words(c0), _words(c1), _words(c2), _words(c3)


def _rounds(count: int) -> Any:
    return _round_of(_rounds(count - 1)) if count else _last


rounds = _rounds(ROUNDS)


@njit(**INNER)
def blocks(purpose, seed, task, step, layer, first):
    """The four words of eight Philox blocks, from number `first` on: four times uint32 [8]."""
    numbers = _numbers(np.uint64(first))
    return rounds(
        numbers, np.uint64(layer), np.uint64(step), np.uint64(task), np.uint64(purpose), np.uint64(seed)
    )


@njit(**INNER)
def block(purpose, seeds, task, step, layer, element):
    """The four words of one Philox block of eight seeds, uint32 [8]: four times uint32 [8]."""
    keys, zero = _keys(load(seeds, 0)), number(_numbers(np.uint64(0)), np.uint64(0))
    numbers = zero + np.uint64(element)
    return rounds(numbers, np.uint64(layer), np.uint64(step), np.uint64(task), np.uint64(purpose), keys)


@njit(**INNER)
def uniform(bits):
    """Words as float32 in [0, 1)."""
    return single(signed(bits >> np.uint32(8))) * np.float32(2.0**-24)


@njit(**INNER)
def box_muller(radius, angle):
    """Two words as two float32 normals; see `perennial.streams.normals`."""
    u = (single(signed(radius >> np.uint32(9))) + HALF) * UNIT_23
    m = fraction(u) * HALF  # in [1/2, 1)
    low = m < SQRT_HALF
    e = exponent(u) + ONE
    e, x = where(low, e - ONE, e), where(low, m + m, m) - ONE
    series = number(x, LOG_0)
    series = series * x + LOG_1
    series = series * x + LOG_2
    series = series * x + LOG_3
    series = series * x + LOG_4
    series = series * x + LOG_5
    series = series * x + LOG_6
    series = series * x + LOG_7
    series = series * x + LOG_8
    square = x * x
    log_u = (e * LN2 + x) + (series * x * square - HALF * square)
    length = square_root(MINUS_2 * log_u)
    quadrant = angle >> np.uint32(30)
    part = single(signed((angle << np.uint32(2)) >> np.uint32(9))) + HALF
    theta = (part * UNIT_23 - HALF) * HALF_PI
    s = theta * theta
    sine = ((SIN_0 * s + SIN_1) * s + SIN_2) * s * theta + theta
    cosine = ((COS_0 * s + COS_1) * s + COS_2) * s * s + (ONE - HALF * s)
    odd = (quadrant & np.uint32(1)) == np.uint32(1)
    length = where(quadrant >= np.uint32(2), -length, length)
    return length * where(odd, -sine, cosine), length * where(odd, cosine, sine)


@njit(**INNER)
def sum4(word):
    """Words as two times as many float32 of mean 0 and variance 1."""
    pairs = (word & NIBBLES) + ((word >> FOUR) & NIBBLES)
    sums = (pairs + (pairs >> EIGHT)) & OCTETS
    return (single(sums & LOW) - SUM4_MEAN) * SUM4_SCALE, (single(sums >> SIXTEEN) - SUM4_MEAN) * SUM4_SCALE


@njit(cache=True, **LOOP)
def fill_normals(out, purpose, seed, task, step, layer):
    """Fill `out` [n] float32 with normals; n is a multiple of 64."""
    for group in range(out.shape[0] // GROUP):
        for half in range(0, BLOCKS, LANES):
            at = group * GROUP + half
            w0, w1, w2, w3 = blocks(purpose, seed, task, step, layer, group * BLOCKS + half)
            one, other = box_muller(w0, w1)
            store(out, at, one)
            store(out, at + BLOCKS, other)
            one, other = box_muller(w2, w3)
            store(out, at + 2 * BLOCKS, one)
            store(out, at + 3 * BLOCKS, other)


@njit(cache=True, **LOOP)
def fill_sum4(out, purpose, seed, task, step, layer):
    """Fill `out` [n] float32 with sums of four 4-bit uniforms; n is a multiple of 128."""
    for group in range(out.shape[0] // (2 * GROUP)):
        for half in range(0, BLOCKS, LANES):
            words = blocks(purpose, seed, task, step, layer, group * BLOCKS + half)
            for k in range(4):
                at = 2 * group * GROUP + k * BLOCKS + half
                low, high = sum4(words[k])
                store(out, at, low)
                store(out, at + GROUP, high)

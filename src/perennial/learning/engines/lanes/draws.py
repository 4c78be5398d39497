"""Random numbers for eight seeds at once: those of `perennial.streams`, bit for bit, a seed to a lane.

Words are held as 64-bit numbers whose upper halves mean nothing until `word` drops them: a product of two words then
needs no rearranging.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from perennial.learning.engines.compiling import EXACT
from perennial.learning.engines.elementary import exponent, fraction
from perennial.learning.engines.vectors import converter, load, number, square_root, where
from perennial.streams import (
    COS,
    HALF_PI,
    LN2,
    LOG,
    MULTIPLY_0,
    MULTIPLY_1,
    ROUNDS,
    SIN,
    SQRT_HALF,
    WEYL_0,
    WEYL_1,
)

M0, M1, MASK, HIGH = np.uint64(MULTIPLY_0), np.uint64(MULTIPLY_1), np.uint64(0xFFFFFFFF), np.uint64(32)
UNIT_23, ONE, HALF, MINUS_2 = (np.float32(c) for c in (2.0**-23, 1, 0.5, -2))
LOG_0, LOG_1, LOG_2, LOG_3, LOG_4, LOG_5, LOG_6, LOG_7, LOG_8 = LOG
SIN_0, SIN_1, SIN_2 = SIN
COS_0, COS_1, COS_2 = COS
word, single = converter(types.uint32), converter(types.float32)
wide, signed = converter(types.uint64), converter(types.int32)


@njit(**EXACT)
def block(purpose, seeds, task, step, layer, element):
    """The four words of one Philox block of every seed; `seeds` [8] uint32."""
    k1 = wide(load(seeds, 0))
    zero = k1 ^ k1
    c0, c1 = zero + np.uint64(element), zero + np.uint64(layer)
    c2, c3 = zero + np.uint64(step), zero + np.uint64(task)
    k0 = np.uint64(purpose)
    for _ in range(ROUNDS):
        p0, p1 = (c0 & MASK) * M0, (c2 & MASK) * M1
        c0, c1, c2, c3 = (p1 >> HIGH) ^ c1 ^ k0, p1, (p0 >> HIGH) ^ c3 ^ k1, p0
        k0, k1 = k0 + np.uint64(WEYL_0), k1 + np.uint64(WEYL_1)
    return word(c0), word(c1), word(c2), word(c3)


@njit(**EXACT)
def uniform(bits):
    """Words as float32 in [0, 1)."""
    return single(signed(bits >> np.uint32(8))) * np.float32(2.0**-24)


@njit(**EXACT)
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

"""The random streams as numba functions: the same words and numbers as `perennial.streams`, bit for bit.

Fast mathematics is refused explicitly, since a function otherwise inherits it from the function that calls it:
a contracted multiply-add would change the last bit of a normal.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from perennial.files import compilation  # noqa: F401  first: it says where compiled code is kept
from perennial.streams import (
    COS,
    GROUP,
    HALF_PI,
    LANES,
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
)

EXACT = {"fastmath": False, "nogil": True, "error_model": "numpy"}

M0, M1, W0, W1 = np.uint64(MULTIPLY_0), np.uint64(MULTIPLY_1), np.uint32(WEYL_0), np.uint32(WEYL_1)
HIGH = np.uint64(32)
F1, HALF, MINUS_2 = np.float32(1), np.float32(0.5), np.float32(-2)
UNIT_24, UNIT_23 = np.float32(2.0**-24), np.float32(2.0**-23)
LOG_0, LOG_1, LOG_2, LOG_3, LOG_4, LOG_5, LOG_6, LOG_7, LOG_8 = LOG
SIN_0, SIN_1, SIN_2 = SIN
COS_0, COS_1, COS_2 = COS


@njit(inline="always", **EXACT)
def block(purpose, seed, task, step, layer, element):
    """The four words of one Philox block, as uint32."""
    c0, c1, c2, c3 = np.uint32(element), np.uint32(layer), np.uint32(step), np.uint32(task)
    k0, k1 = np.uint32(purpose), np.uint32(seed)
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
        c0, c1, c2, c3 = (
            np.uint32(p1 >> HIGH) ^ c1 ^ k0,
            np.uint32(p1),
            np.uint32(p0 >> HIGH) ^ c3 ^ k1,
            np.uint32(p0),
        )
        k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
    return c0, c1, c2, c3


@njit(inline="always", **EXACT)
def uniform(word):
    """One word as a float32 in [0, 1)."""
    return np.float32(word >> np.uint32(8)) * UNIT_24


@njit(inline="always", **EXACT)
def box_muller(radius, angle):
    """Two words as two float32 normals; see `perennial.streams.normals`."""
    u = (np.float32(radius >> np.uint32(9)) + HALF) * UNIT_23
    bits = np.float32(u).view(np.int32)
    exponent = np.float32(np.int32((bits >> np.int32(23)) - np.int32(126)))
    mantissa = np.int32((bits & np.int32(0x007FFFFF)) | np.int32(0x3F000000)).view(np.float32)
    low = mantissa < SQRT_HALF
    exponent = exponent - F1 if low else exponent
    x = (mantissa + mantissa if low else mantissa) - F1
    series = LOG_0 * x + LOG_1
    series = series * x + LOG_2
    series = series * x + LOG_3
    series = series * x + LOG_4
    series = series * x + LOG_5
    series = series * x + LOG_6
    series = series * x + LOG_7
    series = series * x + LOG_8
    square = x * x
    log_u = (exponent * LN2 + x) + (series * x * square - HALF * square)
    length = np.sqrt(MINUS_2 * log_u)
    quadrant = angle >> np.uint32(30)
    fraction = np.float32(np.uint32(angle << np.uint32(2)) >> np.uint32(9)) + HALF
    theta = (fraction * UNIT_23 - HALF) * HALF_PI
    s = theta * theta
    sine = ((SIN_0 * s + SIN_1) * s + SIN_2) * s * theta + theta
    cosine = ((COS_0 * s + COS_1) * s + COS_2) * s * s + (F1 - HALF * s)
    odd = (quadrant & np.uint32(1)) == np.uint32(1)
    first = -sine if odd else cosine
    second = cosine if odd else sine
    length = -length if quadrant >= np.uint32(2) else length
    return length * first, length * second


@njit(inline="always", **EXACT)
def sum4(word):
    """One word as two float32 of mean 0 and variance 1."""
    nibbles, octets = np.uint32(0x0F0F0F0F), np.uint32(0x00FF00FF)
    pairs = (word & nibbles) + ((word >> np.uint32(4)) & nibbles)
    sums = np.uint32((pairs & octets) + ((pairs >> np.uint32(8)) & octets))
    low, high = np.uint32(sums & np.uint32(0xFFFF)), np.uint32(sums >> np.uint32(16))
    return (np.float32(low) - SUM4_MEAN) * SUM4_SCALE, (np.float32(high) - SUM4_MEAN) * SUM4_SCALE


@njit(cache=True, **EXACT)
def fill_words(out, purpose, seed, task, step, layer):
    """Fill `out` [n] uint32 with words; n is a multiple of 64."""
    for g in range(out.shape[0] // GROUP):
        at = g * GROUP
        for lane in range(LANES):
            w0, w1, w2, w3 = block(purpose, seed, task, step, layer, g * LANES + lane)
            out[at + lane], out[at + LANES + lane] = w0, w1
            out[at + 2 * LANES + lane], out[at + 3 * LANES + lane] = w2, w3


@njit(cache=True, **EXACT)
def fill_uniforms(out, purpose, seed, task, step, layer):
    """Fill `out` [n] float32 with uniforms; n is a multiple of 64."""
    for g in range(out.shape[0] // GROUP):
        at = g * GROUP
        for lane in range(LANES):
            w0, w1, w2, w3 = block(purpose, seed, task, step, layer, g * LANES + lane)
            out[at + lane] = uniform(w0)
            out[at + LANES + lane] = uniform(w1)
            out[at + 2 * LANES + lane] = uniform(w2)
            out[at + 3 * LANES + lane] = uniform(w3)


@njit(cache=True, **EXACT)
def fill_normals(out, purpose, seed, task, step, layer):
    """Fill `out` [n] float32 with normals; n is a multiple of 64."""
    for g in range(out.shape[0] // GROUP):
        at = g * GROUP
        for lane in range(LANES):
            w0, w1, w2, w3 = block(purpose, seed, task, step, layer, g * LANES + lane)
            out[at + lane], out[at + LANES + lane] = box_muller(w0, w1)
            out[at + 2 * LANES + lane], out[at + 3 * LANES + lane] = box_muller(w2, w3)


@njit(cache=True, **EXACT)
def fill_sum4(out, purpose, seed, task, step, layer):
    """Fill `out` [n] float32 with sums of four 4-bit uniforms; n is a multiple of 128."""
    for g in range(out.shape[0] // (2 * GROUP)):
        low, high = 2 * g * GROUP, (2 * g + 1) * GROUP
        for lane in range(LANES):
            w0, w1, w2, w3 = block(purpose, seed, task, step, layer, g * LANES + lane)
            out[low + lane], out[high + lane] = sum4(w0)
            out[low + LANES + lane], out[high + LANES + lane] = sum4(w1)
            out[low + 2 * LANES + lane], out[high + 2 * LANES + lane] = sum4(w2)
            out[low + 3 * LANES + lane], out[high + 3 * LANES + lane] = sum4(w3)

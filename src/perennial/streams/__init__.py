"""Named random streams: Philox4x32-10, counter based, so that there is no generator state at all.

A word is a pure function of key = (purpose, seed) and counter = (task, step, layer, element). Experiment,
variant, scale and block never enter: the same seed meets the same tasks and starts from the same weights
under every algorithm, and resuming a run needs no generator state.

This file is the definition, in numpy. `streams.compiled` (numba) and `streams.tensors` (torch) give the same
words, uniforms and normals bit for bit; tests compare all three.

Source of the generator: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Random123).
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

# The purposes of random numbers. The numbers are part of every result: never renumber, only append.
SEQUENCE, ORDER, INIT, NOISE, REPLACEMENT, DROPOUT, AUGMENTATION, POLICY = range(1, 9)

MULTIPLY_0, MULTIPLY_1 = 0xD2511F53, 0xCD9E8D57
WEYL_0, WEYL_1 = 0x9E3779B9, 0xBB67AE85
ROUNDS = 10
LANES, GROUP = 16, 64  # blocks and words of a group

# ln(m) = x - x^2/2 + x^3 P(x) for x = m - 1, m in [sqrt(1/2), sqrt(2)); error below 1e-7 of the result.
LOG = tuple(
    np.float32(c)
    for c in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
LN2 = np.float32(0.69314718056)
SIN = tuple(np.float32(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
COS = tuple(np.float32(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2))
HALF_PI = np.float32(1.5707963267948966)
SQRT_HALF = np.float32(0.70710678118)

# Mean and inverse standard deviation of the sum of four 4-bit uniforms.
SUM4_MEAN = np.float32(4 * 7.5)
SUM4_SCALE = np.float32(1.0 / np.sqrt(4 * (16.0**2 - 1) / 12))


class Address(NamedTuple):
    """Where in a stream: whose numbers, at which moment, for which layer. All are 32-bit counts."""

    purpose: int
    seed: int
    task: int = 0
    step: int = 0
    layer: int = 0


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 on an array of counters.

    Args:
        counter: [n, 4] unsigned words (held as uint64).
        key: two 32-bit words.

    Returns:
        [n, 4] uint32.
    """
    mask, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    c0, c1, c2, c3 = (counter[:, k].astype(np.uint64) for k in range(4))
    k0, k1 = key
    for _ in range(ROUNDS):
        p0, p1 = c0 * np.uint64(MULTIPLY_0), c2 * np.uint64(MULTIPLY_1)
        c0, c1, c2, c3 = (
            (p1 >> high) ^ c1 ^ np.uint64(k0),
            p1 & mask,
            (p0 >> high) ^ c3 ^ np.uint64(k1),
            p0 & mask,
        )
        k0, k1 = (k0 + WEYL_0) & 0xFFFFFFFF, (k1 + WEYL_1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)


def words(address: Address, count: int) -> np.ndarray:
    """The first `count` words at an address: [count] uint32.

    Words come in groups of 64, made of 16 blocks of four: word w of block 16 g + lane is element
    64 g + 16 w + lane. So 16 neighbours are the same word of 16 blocks, which fills a vector register.
    """
    return _groups(address, -(-count // GROUP)).reshape(-1)[:count]


def _groups(address: Address, groups: int) -> np.ndarray:
    """[groups, 4, 16] uint32: the words of whole groups.

    Where the compiled form is loaded already it does the work: the same words, ten times sooner.
    """
    if compiled := sys.modules.get("perennial.streams.compiled"):
        out = np.empty(groups * GROUP, np.uint32)
        compiled.fill_words(out, *address)
        return out.reshape(groups, 4, LANES)
    counter = np.empty((groups * LANES, 4), np.uint64)
    counter[:, 0] = np.arange(groups * LANES)
    counter[:, 1:] = address.layer, address.step, address.task
    blocks = philox(counter, (address.purpose, address.seed)).reshape(groups, LANES, 4)
    return blocks.transpose(0, 2, 1)


def uniforms(address: Address, count: int) -> np.ndarray:
    """[count] float32 in [0, 1), multiples of 2^-24."""
    return (words(address, count) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normals(address: Address, count: int) -> np.ndarray:
    """[count] float32 standard normals by Box and Muller; words 0 and 1 of a block make two, 2 and 3 two more.

    Logarithm, sine and cosine are short polynomials in single precision, so that numpy, compiled and tensor
    forms agree bit for bit (a mathematics library's own functions differ in the last bit) and vectorise.
    The largest possible magnitude is 5.77.
    """
    groups = _groups(address, -(-count // GROUP))  # [groups, word, lane]
    radius, angle = groups[:, 0::2], np.ascontiguousarray(groups[:, 1::2])  # [groups, pair, lane]
    one = np.float32(1)
    u = ((radius >> np.uint32(9)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
    bits = u.view(np.int32)
    exponent = ((bits >> 23) - 126).astype(np.float32)
    mantissa = ((bits & 0x007FFFFF) | 0x3F000000).view(np.float32)  # in [1/2, 1)
    low = mantissa < SQRT_HALF
    exponent = np.where(low, exponent - one, exponent)
    x = np.where(low, mantissa + mantissa, mantissa) - one
    series = np.full_like(x, LOG[0])
    for c in LOG[1:]:
        series = series * x + c
    square = x * x
    log_u = (exponent * LN2 + x) + (series * x * square - np.float32(0.5) * square)
    length = np.sqrt(np.float32(-2) * log_u)
    # The top two bits choose the quadrant, the rest an angle within +-45 degrees of its middle.
    quadrant = angle >> np.uint32(30)
    fraction = ((angle << np.uint32(2)) >> np.uint32(9)).astype(np.float32) + np.float32(0.5)
    theta = (fraction * np.float32(2.0**-23) - np.float32(0.5)) * HALF_PI
    s = theta * theta
    sine = ((SIN[0] * s + SIN[1]) * s + SIN[2]) * s * theta + theta
    cosine = ((COS[0] * s + COS[1]) * s + COS[2]) * s * s + (one - np.float32(0.5) * s)
    odd, negative = (quadrant & 1).astype(bool), quadrant >= 2
    first, second = np.where(odd, -sine, cosine), np.where(odd, cosine, sine)
    length = np.where(negative, -length, length)
    return np.stack([length * first, length * second], axis=2).reshape(-1)[:count]


def sum4(address: Address, count: int) -> np.ndarray:
    """[count] float32 with mean 0 and variance 1: the sum of four 4-bit uniforms, two sums to a word.

    A cheap stand-in for a normal: 61 values within +-3.25, kurtosis 2.7 instead of 3. Of 128 elements the first
    64 come from the low halves of a group's words, the others from the high halves.
    """
    w = _groups(address, -(-count // (2 * GROUP))).reshape(-1, 1, GROUP)
    pairs = (w & np.uint32(0x0F0F0F0F)) + ((w >> np.uint32(4)) & np.uint32(0x0F0F0F0F))
    sums = (pairs & np.uint32(0x00FF00FF)) + ((pairs >> np.uint32(8)) & np.uint32(0x00FF00FF))
    halves = np.concatenate([sums & np.uint32(0xFFFF), sums >> np.uint32(16)], axis=1)  # [groups, half, 64]
    return ((halves.astype(np.float32) - SUM4_MEAN) * SUM4_SCALE).reshape(-1)[:count]


def permutation(address: Address, count: int) -> np.ndarray:
    """A uniform permutation of `count` things: [count] int64, the order of `count` random words."""
    return np.argsort(words(address, count), kind="stable")

"""Words and uniforms as numba functions: those of `perennial.streams`, bit for bit.

Normals and their cheaper kin are drawn by `perennial.learning.engines.draws`, many at a time. Fast mathematics is
refused explicitly, since a function otherwise inherits it from the function that calls it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from perennial.files import compilation  # noqa: F401  first: it says where compiled code is kept
from perennial.streams import (
    GROUP,
    LANES,
    MULTIPLY_0,
    MULTIPLY_1,
    ROUNDS,
    WEYL_0,
    WEYL_1,
)

EXACT = {"fastmath": False, "nogil": True, "error_model": "numpy"}

M0, M1, W0, W1 = np.uint64(MULTIPLY_0), np.uint64(MULTIPLY_1), np.uint32(WEYL_0), np.uint32(WEYL_1)
HIGH = np.uint64(32)
UNIT_24 = np.float32(2.0**-24)


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

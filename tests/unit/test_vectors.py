"""Elementary functions and random numbers in compiled code: one number or eight, the same bits, and the right ones."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from perennial import streams
from perennial.learning.engines import draws, elementary, vectors

FUNCTIONS = {"exp": (np.exp, 1.1), "expm1": (np.expm1, 2), "tanh": (np.tanh, 3), "log": (np.log, 1.1)}
LANES = vectors.LANES
EXACT = {"fastmath": False, "error_model": "numpy"}


def compiled(name: str) -> tuple:
    """A function of arrays, number by number and eight at a time."""
    function = getattr(elementary, name)

    @njit(**EXACT)
    def by_ones(x, y):
        for i in range(x.shape[0]):
            y[i] = function(x[i])

    @njit(**EXACT)
    def by_eights(x, y):
        for i in range(0, x.shape[0], LANES):
            vectors.store(y, i, function(vectors.load(x, i)))

    return by_ones, by_eights


def both(name: str, x: np.ndarray) -> np.ndarray:
    """The values at x, which must not depend on how they are computed."""
    found = [np.empty_like(x) for _ in range(2)]
    for way, y in zip(compiled(name), found, strict=True):
        way(x, y)
    assert found[0].tobytes() == found[1].tobytes()
    return found[0]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_are_right_to_the_last_places(name, precision):
    reference, units = FUNCTIONS[name]
    draw, largest = np.random.default_rng(0), 86 if precision == "float32" else 700
    spread = [
        draw.uniform(-largest, largest, 80_000),
        draw.normal(size=80_000),
        1e-3 * draw.normal(size=80_000),
    ]
    x = np.concatenate(spread).astype(precision)
    if name == "log":
        x = np.abs(x) + np.finfo(precision).tiny
    right = reference(x.astype(np.longdouble))
    last_place = np.spacing(np.abs(right).astype(precision)).astype(np.longdouble)
    assert (np.abs(both(name, x) - right) / last_place).max() < units


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_elementary_functions_at_the_ends(precision):
    x = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 0, -0.0, -0.0], precision)
    np.testing.assert_array_equal(both("exp", x), [np.inf, 0, np.nan, np.inf, 0, 1, 1, 1])
    np.testing.assert_array_equal(both("expm1", x), [np.inf, -1, np.nan, np.inf, -1, 0, 0, 0])
    np.testing.assert_array_equal(both("tanh", x), [1, -1, np.nan, 1, -1, 0, 0, 0])


def test_the_sum_over_the_lanes_has_its_order():
    @njit(**EXACT)
    def total(x):
        return vectors.total(vectors.load(x, 0))

    for s in np.random.default_rng(1).normal(size=(100, LANES)).astype(np.float32):
        assert total(s) == ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))


def test_a_block_of_eight_seeds_is_that_of_each():
    @njit(**EXACT)
    def draw(seeds, normals, uniforms):
        w0, w1, w2, w3 = draws.block(streams.NOISE, seeds, 5, 7, 3, 0)
        one, other = draws.box_muller(w0, w1)
        vectors.store(normals, 0, one)
        vectors.store(normals, LANES, other)
        vectors.store(uniforms, 0, draws.uniform(w2))
        vectors.store(uniforms, LANES, draws.uniform(w3))

    seeds = np.array([0, 1, 2, 40, 500, 6000, 2**31, 2**32 - 1], np.uint32)
    normals, uniforms = (np.empty((2, LANES), np.float32) for _ in range(2))
    draw(seeds, normals.reshape(-1), uniforms.reshape(-1))
    for lane, seed in enumerate(seeds.tolist()):
        address = streams.Address(streams.NOISE, seed, task=5, step=7, layer=3)
        assert normals[:, lane].tolist() == streams.normals(address, 64)[[0, 16]].tolist()
        assert uniforms[:, lane].tolist() == streams.uniforms(address, 64)[[32, 48]].tolist()

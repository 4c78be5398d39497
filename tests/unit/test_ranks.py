"""Measures: ranks on known spectra, dead units, weight magnitude, and the means of performance."""

from __future__ import annotations

import numpy as np
import pytest

from perennial import registry
from perennial.measures import _spectrum, dead_units, online_accuracy, squared_error, weight_magnitude


def orthogonal(n: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]


def with_spectrum(values: list[float], rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """[rows, columns] with the given singular values and random singular vectors."""
    middle = np.zeros((rows, columns))
    middle[range(len(values)), range(len(values))] = values
    return orthogonal(rows, seed) @ middle @ orthogonal(columns, seed + 1)


# values, effective rank (exp of the entropy of values / sum), stable rank (fewest that exceed 99 % of the sum)
SPECTRA = {
    "one": ([3.0, 0, 0, 0], 1.0, 1),
    "equal": ([2.0, 2, 2, 2], 4.0, 4),
    "half and quarters": ([2.0, 1, 1, 0], np.exp(1.5 * np.log(2)), 3),
    "one and dust": ([1.0, 0.004, 0.004, 0.001], None, 1),
    "one and crumbs": ([1.0, 0.02, 0.004, 0.001], None, 2),
    "slow fall": ([8.0, 4, 2, 1], None, 4),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (50, 4), (4, 50), (30, 7)])
def test_ranks_of_known_spectra(name, rows, columns):
    values, effective, stable = SPECTRA[name]
    p = np.array([v for v in values if v > 0]) / sum(values)
    by_hand = np.exp(-(p * np.log(p)).sum())
    assert effective is None or by_hand == pytest.approx(effective)
    n = min(rows, columns)
    expected = np.array((values + [0.0] * n)[:n])
    plain = np.pad(np.diag(values), ((0, rows - 4), (0, columns - 4)))
    for phi in (plain, with_spectrum(values, rows, columns)):
        found = _spectrum.singular_values(phi)
        np.testing.assert_allclose(found, expected, atol=2e-8 * values[0])
        assert _spectrum.effective_rank(found) == pytest.approx(by_hand, rel=1e-7)
        assert _spectrum.stable_rank(found) == stable


def test_hundred_equal_values_need_all_but_none_to_spare():
    """The share must be exceeded: of 4 equal values, 3 hold exactly 75 %, so a share of 0.75 takes 4."""
    assert _spectrum.stable_rank(np.ones(4), share=0.75) == 4
    assert _spectrum.stable_rank(np.ones(4), share=0.74) == 3
    assert _spectrum.stable_rank(np.array([2.0, 1, 1]), share=0.5) == 2


@pytest.mark.parametrize(
    ("values", "rank", "approximate"),
    [([3.0, 0, 0, 0], 1, 1), ([2.0, 2, 2, 2], 4, 4), ([10.0, 1, 0.1, 0], 3, 1), ([10.0, 1, 1, 0.01], 4, 2)],
)
def test_ranks_that_the_code_logs(values, rank, approximate):
    """Squares of the second last: 100 of 101.01 is more than 99 %; of the last: 100 of 102 is less, 101 is more."""
    found = _spectrum.singular_values(with_spectrum(values, 30, 7))
    assert _spectrum.rank(found) == rank and _spectrum.approximate_rank(found) == approximate


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_activations_that_are_not_finite_have_no_ranks(bad):
    """A run that diverged is recorded as it is, and the others go on."""
    phi = np.random.default_rng(0).normal(size=(20, 5))
    phi[3, 2] = bad
    with np.errstate(invalid="ignore"):
        found = _spectrum.singular_values(phi)
    for rank in (_spectrum.rank, _spectrum.approximate_rank, _spectrum.stable_rank, _spectrum.effective_rank):
        assert np.isnan(rank(found))


def test_dead_columns_add_nothing():
    alive = np.random.default_rng(1).normal(size=(40, 6))
    padded = np.zeros((40, 15))
    padded[:, [0, 2, 3, 8, 13, 14]] = alive
    a, b = _spectrum.singular_values(alive), _spectrum.singular_values(padded)
    np.testing.assert_allclose(b[:6], a, rtol=1e-12)
    assert (b[6:] == 0).all()
    assert _spectrum.effective_rank(b) == pytest.approx(_spectrum.effective_rank(a), rel=1e-12)
    assert _spectrum.stable_rank(b) == _spectrum.stable_rank(a)


def test_a_network_of_dead_units_has_rank_zero():
    values = _spectrum.singular_values(np.zeros((20, 5)))
    assert (values == 0).all()
    assert _spectrum.effective_rank(values) == 0 and _spectrum.stable_rank(values) == 0


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_matrix_that_is_not_finite_has_rank_nan_and_its_neighbours_keep_theirs(broken):
    stack = np.stack([with_spectrum([2.0, 1, 1, 0], 50, 4)] * 2)
    stack[0, 3, 2] = broken
    values = _spectrum.singular_values(stack)
    alone = _spectrum.singular_values(stack[1])
    for rank in (_spectrum.effective_rank, _spectrum.stable_rank):
        assert np.isnan(rank(values)[0])
        assert rank(values)[1] == rank(alone) > 0


def test_twin_units_share_a_dimension():
    one = np.random.default_rng(2).normal(size=(30, 1))
    values = _spectrum.singular_values(np.repeat(one, 8, axis=1).astype(np.float32))
    assert _spectrum.effective_rank(values) == pytest.approx(1, abs=1e-9)
    assert _spectrum.stable_rank(values) == 1


@pytest.mark.parametrize(("rows", "columns"), [(1000, 100), (100, 100), (60, 100)])
@pytest.mark.parametrize("span", [1.5, 1e3, 1e9])  # a flat one ends in a tie at 99 of 100
def test_gram_matrix_agrees_with_the_svd_within_the_stated_tolerance(rows, columns, span):
    n = min(rows, columns)
    phi = with_spectrum(list(np.geomspace(1, 1 / span, n)), rows, columns)
    exact, found = np.linalg.svd(phi, compute_uv=False), _spectrum.singular_values(phi)
    kept = exact > 1.1 * _spectrum.TOLERANCE * exact[0]
    assert np.abs(found - exact)[kept].max() <= 1.5e-8 * exact[0]
    assert (found[exact < 0.9 * _spectrum.TOLERANCE * exact[0]] == 0).all()
    assert np.abs(_spectrum.effective_rank(found) - _spectrum.effective_rank(exact)) < 1e-3
    assert _spectrum.stable_rank(found) == _spectrum.stable_rank(exact)


def test_a_stack_gives_what_its_members_give_one_by_one():
    stack = np.random.default_rng(3).normal(size=(3, 2, 25, 8)).astype(np.float32)
    stack[1, 1] = 0
    stack[2, 0, :, 3:] = 0
    values = _spectrum.singular_values(stack)
    effective, stable = _spectrum.effective_rank(values), _spectrum.stable_rank(values)
    assert values.shape == (3, 2, 8) and effective.shape == stable.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            alone = _spectrum.singular_values(stack[i, j])
            np.testing.assert_allclose(values[i, j], alone, rtol=1e-12, atol=1e-12)
            assert effective[i, j] == pytest.approx(_spectrum.effective_rank(alone), rel=1e-12)
            assert stable[i, j] == _spectrum.stable_rank(alone)


def test_ranks_are_measured_layer_by_layer():
    features = [with_spectrum([1.0, 1, 1], 20, 5).astype(np.float32), np.zeros((20, 4), np.float32)]
    assert registry.module("measures", "effective_rank").measure({}, features) == pytest.approx(
        [3, 0], abs=1e-5
    )
    assert registry.module("measures", "stable_rank").measure({}, features).tolist() == [3, 0]


def test_dead_units_are_silent_on_every_example():
    one = np.array([[0.0, 1, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]])  # units 0 and 2 never speak
    two = np.array([[0.0, -1e-30], [0, 0], [0, 0]])  # a negative output is an output
    assert dead_units.measure({}, [one, two]).tolist() == [50, 50]


def test_weight_magnitude_weighs_every_weight_alike_and_leaves_biases_out():
    weights = {
        "weight_0": np.array([[1.0, -2, 3], [0, 0, 0]]), "bias_0": np.array([100.0, 100, 100]),
        "weight_1": np.array([[-4.0], [0], [0]]), "bias_1": np.array([100.0]),
    }  # fmt: skip
    assert float(weight_magnitude.measure(weights, [])) == pytest.approx(10 / 9)


def test_performance_is_averaged_over_a_task():
    assert squared_error.measure(np.array([[1.0, 3.0], [2.0, 0.0]])).tolist() == [2, 1]
    assert online_accuracy.measure(np.array([[1, 0, 1, 1], [0, 0, 0, 1]])).tolist() == [75, 25]


@pytest.mark.parametrize("name", registry.names("measures"))
def test_every_measure_says_what_it_is(name):
    module = registry.module("measures", name)
    kinds = {
        kind for own in registry.names("procedures") for kind in registry.module("procedures", own).MEASURES
    }
    assert module.KIND in kinds and isinstance(module.AXES, tuple)
    assert all(isinstance(text, str) and text for text in (module.UNITS, module.DESCRIPTION, module.SOURCE))

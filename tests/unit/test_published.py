"""Digitised curves: complete, clipped points kept apart from holes, and equal to the numbers people quote."""

from __future__ import annotations

import math

import numpy as np
import pytest

from perennial import published

ACTIVATIONS = ("tanh", "sigmoid", "elu", "relu", "leaky_relu", "swish")
STEPS = ("0.01", "0.003", "0.001")


def test_all_series_are_there():
    found = published.series("ed_fig_2b")
    assert set(found) == {"linear"} | {f"{a}_{s}" for a in ACTIVATIONS for s in STEPS}
    for line in found.values():
        assert line.x.shape == line.mean.shape == line.above.shape == (75,)
        assert line.x[0] == 0 and line.x[-1] == 74 * 40_000 and (np.diff(line.x) == 40_000).all()
        assert line.source and line.se is None


def test_points_above_the_axis_are_never_numbers():
    for name, line in published.series("ed_fig_2b").items():
        assert np.isnan(line.mean[line.above]).all(), name
        assert not line.above.any() or line.clipped_above == 1.2, name
        assert line.clipped_above == (1.2 if name.split("_")[0] in ("relu", "leaky", "swish") else None), name
    above = {name for name, line in published.series("ed_fig_2b").items() if line.above.any()}
    assert above == {"relu_0.01", "swish_0.01"}


@pytest.mark.parametrize(
    ("name", "point", "value"),
    [("relu_0.01", 0, 0.61), ("tanh_0.01", 0, 0.39), ("sigmoid_0.001", 0, 0.93), ("elu_0.001", 0, 0.75)],
)
def test_first_points(name, point, value):
    assert published.curve("ed_fig_2b", name).mean[point] == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("linear", 0.826),
        ("tanh_0.003", 0.90),
        ("elu_0.01", 0.73),
        ("leaky_relu_0.003", 1.09),
        ("swish_0.001", 0.73),
    ],
)
def test_last_ten_points(name, value):
    mean = published.curve("ed_fig_2b", name).mean[-10:]
    assert np.nanmean(mean) == pytest.approx(value, abs=0.01)


def test_the_linear_curve_is_its_six_printings():
    mean = published.curve("ed_fig_2b", "linear").mean
    assert np.isnan(mean).sum() == 1 and math.isnan(mean[-1])
    assert np.nanmean(mean) == pytest.approx(0.826, abs=0.003)


def test_ablation():
    found = published.series("arxiv_utility_ablation")
    at = [float(line.mean[1]) for line in found.values()]  # at 1e-4
    assert at == [0.319, 0.327, 0.392, 0.394, 0.423, 0.629, 0.759]
    random = found["random"]
    assert math.isnan(random.mean[3]) and random.above[3] and random.clipped_above == 0.9


@pytest.mark.parametrize(
    ("figure", "name", "words"),
    [
        ("ed_fig_2c", "linear", "'ed_fig_2c' is not one of the digitised figures"),
        ("ed_fig_2b", "relu_0.1", r"did you mean 'relu_0.01'\?"),
    ],
)
def test_unknown_names(figure, name, words):
    with pytest.raises(published.UnknownCurve, match=words):
        published.curve(figure, name)

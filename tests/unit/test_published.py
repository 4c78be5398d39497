"""Digitised curves: complete, clipped points kept apart from holes, and equal to the numbers people quote."""

from __future__ import annotations

import math

import numpy as np
import pytest
from the_studies import published

from perennial.claims.curves import UnknownCurve

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
    with pytest.raises(UnknownCurve, match=words):
        published.curve(figure, name)


MNIST = [  # figure, curve, {task: value} as the tables of the specification quote them
    ("ed_fig_3b_step_size", "backprop_0.01", {1: 94.30, 10: 94.55, 100: 93.50, 800: 90.33}),
    ("ed_fig_3b_step_size", "backprop_0.003", {1: 94.10, 10: 95.17, 100: 94.70, 800: 93.72}),
    ("ed_fig_3b_step_size", "backprop_0.001", {1: 92.61, 10: 94.49, 100: 94.74, 800: 93.98}),
    ("ed_fig_3b_width", "width_100", {1: 92.09, 2: 93.32, 50: 89.88, 150: 87.20}),
    ("ed_fig_3b_width", "width_1000", {1: 93.71, 6: 94.85, 150: 93.75}),
    ("ed_fig_3b_width", "width_10000", {1: 94.65, 41: 95.99, 150: 95.79}),
    ("ed_fig_3b_rate", "every_10k", {1: 88.64, 10: 85.34, 48: 75.32}),
    ("ed_fig_3b_rate", "every_100k", {1: 95.88, 10: 94.98, 48: 92.83}),
    ("ed_fig_3b_rate", "every_1m", {1: 99.16, 10: 99.13, 48: 98.82}),
    ("ed_fig_3c_dead_units", "backprop_0.01", {1: 0.3, 50: 12.8, 800: 27.0}),
    ("ed_fig_3c_weight_magnitude", "backprop_0.003", {1: 0.0301, 400: 0.0473, 800: 0.0613}),
    ("ed_fig_3c_effective_rank", "backprop_0.001", {1: 40.3, 50: 43.1, 800: 30.6}),
    ("ed_fig_4a_online_accuracy", "l2_1e-4", {10: 95.19, 200: 94.76}),
    ("ed_fig_4a_online_accuracy", "adam_5e-5", {1: 94.54, 10: 92.18, 400: 87.69}),
    ("ed_fig_4a_online_accuracy", "online_normalisation_0.999_0.99", {1: 94.45, 70: 95.74, 400: 94.16}),
    ("ed_fig_4a_dead_units", "cbp_1e-6", {100: 1.3, 400: 1.1, 800: 1.1}),
    ("ed_fig_4a_dead_units", "dropout_0.1", {100: 9.6, 400: 13.1, 800: 16.1}),
    ("ed_fig_4a_weight_magnitude", "shrink_and_perturb_1e-5", {100: 0.0143, 400: 0.0134, 800: 0.0134}),
    ("ed_fig_4a_effective_rank", "online_normalisation_0.999_0.99", {100: 60.0, 400: 33.8, 800: 23.1}),
    ("ed_fig_4b_cbp", "cbp_1e-4", {800: 95.03}),
]  # fmt: skip


@pytest.mark.parametrize(("figure", "name", "values"), MNIST)
def test_permuted_mnist(figure, name, values):
    line = published.curve(figure, name)
    place = {float(x): k for k, x in enumerate(line.x)}
    off = 6e-5 if "weight" in figure else 0.06
    assert {task: line.mean[place[task]] for task in values} == pytest.approx(values, abs=off)


def test_curves_of_permuted_mnist_are_complete_or_say_where_not():
    for figure in sorted({row[0] for row in MNIST}):
        for name, line in published.series(figure).items():
            assert line.x.shape == line.mean.shape == line.above.shape, (figure, name)
            assert (np.diff(line.x) > 0).all() and np.isnan(line.mean[line.above]).all()
            assert line.se is None or (np.isnan(line.se) == np.isnan(line.mean)).all()
    adam = published.curve("ed_fig_4a_dead_units", "adam_5e-5")
    assert adam.clipped_above == 50 and list(adam.x[adam.above]) == list(range(60, 190, 10))
    normalised = published.curve("ed_fig_4a_dead_units", "online_normalisation_0.999_0.99")
    assert (
        normalised.clipped_above is None and np.isnan(normalised.mean).sum() == 28
    )  # hidden near 0, not above


IMAGENET = [  # figure, curve, {task: value} as the table of the specification quotes them
    ("fig_1b_first", "backprop_0.01", {1: 89.4, 2: 86.0, 3: 86.8, 10: 84.1}),
    ("fig_1b_first", "backprop_0.001", {1: 73.7, 2: 81.1, 5: 88.4, 6: 85.7}),
    ("fig_1b", "backprop_0.01", {25.5: 84.26, 125.5: 85.26, 475.5: 82.99, 1975.5: 73.95}),
    ("fig_1b", "backprop_0.001", {25.5: 83.26, 975.5: 78.65, 1975.5: 78.70}),
    ("fig_1b", "backprop_1e-4", {25.5: 57.5, 325.5: 80.24, 975.5: 77.30, 1975.5: 78.35}),
    ("fig_1b", "linear", {25.5: 77.1, 1975.5: 77.1}),
    ("fig_1c", "cbp_0.01_3e-4", {25.5: 84.5, 475.5: 87.4, 1975.5: 89.1, 4975.5: 90.45}),
    ("fig_1c", "l2_0.03_3e-6", {25.5: 85.2, 475.5: 86.8, 1975.5: 88.3, 4975.5: 89.15}),
    ("fig_1c", "shrink_and_perturb_0.01_1e-5_1e-5", {25.5: 84.3, 975.5: 87.5, 4975.5: 89.2}),
]


@pytest.mark.parametrize(("figure", "name", "values"), IMAGENET)
def test_continual_imagenet(figure, name, values):
    line = published.curve(figure, name)
    place = {float(x): k for k, x in enumerate(line.x)}
    assert {task: line.mean[place[task]] for task in values} == pytest.approx(values, abs=0.06)
    assert (
        line.x.shape == line.mean.shape == line.above.shape == (len(line.x),) and (np.diff(line.x) > 0).all()
    )
    assert line.read_off == (0.1 if figure == "fig_1c" else 0.01) and not line.above.any()
    if line.se is not None:
        assert (np.isnan(line.se) == np.isnan(line.mean)).all()

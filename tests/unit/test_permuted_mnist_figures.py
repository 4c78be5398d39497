"""Figures of online permuted MNIST on made-up results: published curves, methods, choices, missing runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic_mnist as mnist
import synthetic_results as made
import the_studies
from matplotlib.colors import to_hex
from synthetic_mnist import MNIST, RATE, WIDTH
from the_studies import published

from perennial import config, figures
from perennial.figures import _methods, _read, _style

ROOT = Path(__file__).parents[2]
MODULES = {name: the_studies.figure(name) for name in ("ed_fig_3b", "ed_fig_3c", "ed_fig_4a", "ed_fig_4b")}
ed_fig_3b, ed_fig_3c, ed_fig_4a, ed_fig_4b = MODULES.values()
_permuted_mnist = the_studies.helper(MNIST, "_permuted_mnist")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    found = mnist.study(tmp_path_factory.mktemp("mnist") / "results")
    mnist.write(found)
    return found


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    """Width 100 alone."""
    found = mnist.study(tmp_path_factory.mktemp("laptop") / "results", widths=("width_100",), full=False)
    mnist.write(found)
    return found


@pytest.fixture(scope="module")
def paper():
    return config.load(ROOT / "config.yaml", scale="paper")


def metrics_of(study, module):
    return made.figure_metrics(study, module.needs(study))


def axis_of(figure, title):
    return next(axis for axis in figure.axes if title in (axis.get_title("left"), axis.get_title()))


def dots(axis):
    return [line.get_ydata() for line in axis.lines if line.get_marker() == "o"]


def labels(legend):
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("name", ["ed_fig_3b", "ed_fig_4a"])
def test_equal_input_gives_equal_bytes(laptop, name, tmp_path):
    metrics = metrics_of(laptop, the_studies.figure(name))
    written = []
    for turn in ("one", "two"):
        svg, png = tmp_path / turn / "f.svg", tmp_path / turn / "f.png"
        figures.render(name, the_studies.figure(name), metrics, svg, png)
        written.append((svg.read_bytes(), png.read_bytes()))
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("ed_fig_3b", {"Step size": "3b_step_size", "Width": "3b_width", "Rate of change": "3b_rate"}),
        ("ed_fig_3c", {"Dead units": "3c_dead_units", "Weight magnitude": "3c_weight_magnitude",
                       "Effective rank": "3c_effective_rank"}),
        ("ed_fig_4a", {"Online accuracy": "4a_online_accuracy", "Dead units": "4a_dead_units",
                       "Weight magnitude": "4a_weight_magnitude", "Effective rank": "4a_effective_rank"}),
        ("ed_fig_4b", {"Continual backprop": "4b_cbp"}),
    ],
)  # fmt: skip
def test_published_points_are_drawn_as_printed_with_or_without_ours(study, name, panels):
    module = MODULES[name]
    for metrics in (metrics_of(study, module), {}):
        figure = module.draw(metrics)
        for title, series in panels.items():
            drawn = dots(axis_of(figure, title))
            for variant, line in published.series(f"ed_fig_{series}").items():
                if (name, variant) == ("ed_fig_4b", "cbp_1e-6"):
                    continue  # drawn from the other figure's reading of the same curve
                assert any(np.array_equal(line.mean, found, equal_nan=True) for found in drawn), variant


def test_the_laptop_has_one_curve_of_ours_over_all_published_ones(laptop):
    metrics = metrics_of(laptop, ed_fig_3b)
    assert list(metrics) == [(WIDTH, "width_100")]
    figure = ed_fig_3b.draw(metrics)
    remarks = {
        title: axis_of(figure, title).get_title("right") for title in ("Width", "Step size", "Rate of change")
    }
    assert remarks["Width"] == "" and remarks["Step size"] == remarks["Rate of change"] != ""
    solid = [line for line in axis_of(figure, "Width").lines if line.get_marker() in ("", "None", None)]
    assert len(solid) == 1 and len(dots(axis_of(figure, "Width"))) == 3
    assert "ours, 3 seeds" in figure.get_suptitle()
    for module in (ed_fig_3c, ed_fig_4a, ed_fig_4b):
        assert module.needs(laptop) == [] and module.draw({}).axes


def test_the_rate_of_change_is_drawn_along_examples(study):
    for variant in mnist.EVERY:
        path = study.folder / "metrics" / RATE / f"{variant}.h5"
        np.testing.assert_allclose(ed_fig_3b._ours(path).x, np.arange(1, 49))


def test_the_rank_is_in_percent_of_the_width(study):
    path = study.folder / "metrics" / MNIST / "cbp_1e-6.h5"
    shown = _permuted_mnist.read(path, "effective_rank")
    assert shown.values.shape == (3, 800) and shown.mean[-1] == pytest.approx(35.4, abs=0.5)


def accuracies(**levels):
    return {
        name: _read.Metric(np.full((2, 4), level), {"task": np.arange(1, 5)}, "percent", "", {}, name)
        for name, level in levels.items()
    }


def test_the_criterion_is_the_highest_mean_over_all_tasks():
    method = next(m for m in _permuted_mnist.METHODS if m.name == "l2")
    found = accuracies(**{"l2_0.001": 94.0, "l2_1e-4": 95.0, "l2_1e-5": 94.5})
    assert _methods.chosen(found, method) == "l2_1e-4"
    late = found["l2_1e-5"].values.copy()
    late[:, -1] = 99.0  # the best end and the best mean need not be the same
    found["l2_1e-5"] = replace(found["l2_1e-5"], values=late)
    assert _methods.chosen(found, method) == "l2_1e-5"
    found["l2_1e-5"] = replace(found["l2_1e-5"], values=late * np.nan)  # a diverged run is never chosen
    assert _methods.chosen(found, method) == "l2_1e-4"
    del found["l2_0.001"]
    assert _methods.chosen(found, method) is None  # half a grid chooses nothing
    assert _methods.choice(found, _permuted_mnist.METHODS) == ""


def test_the_figure_says_what_our_runs_would_choose(study):
    metrics = metrics_of(study, ed_fig_4a)
    text = ed_fig_4a.draw(metrics).legends[0].get_title().get_text()
    assert "L2 1e-4 (as shown)" in text and "Dropout 0.03 (shown is 0.1)" in text
    some = {pair: path for pair, path in metrics.items() if pair[1] != "l2_1e-5"}
    assert "L2" not in ed_fig_4a.draw(some).legends[0].get_title().get_text()
    panel = axis_of(ed_fig_4b.draw(metrics_of(study, ed_fig_4b)), "Dropout")
    assert labels(panel.get_legend()) == ["0.03 (our runs' choice)", "0.1 (shown)", "0.3"]


def test_only_the_shown_settings_stand_beside_each_other(study):
    metrics = metrics_of(study, ed_fig_4a)
    assert len(metrics) == 21
    axis = axis_of(ed_fig_4a.draw(metrics), "Dead units")
    assert len(dots(axis)) == 7 and len([line for line in axis.lines if line.get_marker() == "None"]) == 7


def test_curves_that_leave_the_axis_are_marked(study):
    figure = ed_fig_4a.draw(metrics_of(study, ed_fig_4a))
    below = [line for line in axis_of(figure, "Online accuracy").lines if line.get_marker() == "v"]
    faces = {to_hex(line.get_markerfacecolor()) for line in below}
    assert faces == {_style.RED, _style.PAPER}  # ours filled, the published open: Adam alone
    above = [line for line in axis_of(figure, "Dead units").lines if line.get_marker() == "^"]
    series = published.curve("ed_fig_4a_dead_units", "adam_5e-5")
    open_ones = next(line for line in above if to_hex(line.get_markerfacecolor()) == _style.PAPER)
    assert set(open_ones.get_xdata()) <= set(series.x[series.above]) and set(open_ones.get_ydata()) == {50}


def test_a_users_own_method_appears_beside_the_others(study, tmp_path):
    own = made.Study(
        tmp_path, table={MNIST: {"mine": mnist.settings("mine"), "l2_1e-4": mnist.settings("l2_1e-4")}}
    )
    mnist.write(own)
    legend = ed_fig_4a.draw(metrics_of(own, ed_fig_4a)).legends[0]
    assert "Mine" in labels(legend)
    colours = [to_hex(line.get_color()) for line in legend.get_lines()]
    assert len(set(colours[:8])) == 8


def test_figures_and_claims_name_what_the_config_has(paper):
    """Every variant of a grid, of a published curve and of a claim is a variant of the paper scale."""
    known = {name: set(paper.variants(name)) for name in (MNIST, WIDTH, RATE)}
    assert {variant for method in _permuted_mnist.METHODS for variant in method.grid} == known[MNIST]
    assert all(method.shown in method.grid for method in _permuted_mnist.METHODS)
    for name, variants in known.items():
        claims = the_studies.claims(name)
        assert claims.variants() <= variants
        shown = [f for metric in ("online_accuracy", "dead_units") for f in claims.digitised(metric)]
        assert all(set(published.names(figure)) <= variants for figure in shown)
    assert {variant for _, variant in ed_fig_3b.needs(paper)} == {*mnist.STEPS, *known[WIDTH], *known[RATE]}


def test_shown_settings_differ_from_the_rest_of_their_grid_in_one_setting(paper):
    for method in _permuted_mnist.METHODS:
        settings = [paper.settings(MNIST, variant) for variant in method.grid]
        assert {s["algorithm"]["name"] for s in settings} == {method.name}
        assert {s["length"] for s in settings} == {800} and {
            s["problem"]["task_examples"] for s in settings
        } == {60_000}
        if method.name not in ("adam", "backprop"):
            assert {s["algorithm"]["step_size"] for s in settings} == {0.003}


def test_mnist_is_never_part_of_a_plain_run():
    for scale in ("smoke", "laptop", "paper"):
        study = config.load(ROOT / "config.yaml", scale=scale)
        with_mnist = [name for name in study.experiments() if study.experiment(name).world["name"] == MNIST]
        assert not any(study.experiment(name).all_by_default for name in with_mnist)
        assert with_mnist == {"smoke": [], "laptop": [WIDTH], "paper": [MNIST, WIDTH, RATE]}[scale]
        if scale == "laptop":
            assert study.variants(WIDTH) == ["width_100"] and len(study.all_seeds(WIDTH)) == 10
            assert study.settings(WIDTH, "width_100")["length"] == 150


def test_the_rate_experiment_has_48_million_examples_in_bins_of_one_million(paper):
    for variant in paper.variants(RATE):
        settings = paper.settings(RATE, variant)
        examples = settings["problem"]["task_examples"]
        assert settings["length"] * examples == 48_000_000
        assert all(measure["every"] * examples == 1_000_000 for measure in settings["measures"].values())
    assert len({paper.sequence(RATE, variant) for variant in paper.variants(RATE)}) == 3

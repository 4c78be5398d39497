"""Figures of Continual ImageNet on made-up results: published curves, bins, choices, and what a scale has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_imagenet as imagenet
import synthetic_results as made
import the_studies
from matplotlib.colors import to_hex
from synthetic_imagenet import CBP, FIRST, IMAGENET, L2, NOISY
from the_studies import published

from perennial import config, figures
from perennial.figures import _style

ROOT = Path(__file__).parents[2]
fig_1b, fig_1c = the_studies.figure("fig_1b"), the_studies.figure("fig_1c")
_continual_imagenet = the_studies.helper(IMAGENET, "_continual_imagenet")
L2_GRID = tuple(_continual_imagenet.METHODS[0].grid)
RUN = ("backprop_0.01", "backprop_0.001", "backprop_1e-4", "linear", "fresh", NOISY, CBP, *L2_GRID)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """All that is shown, and one whole grid."""
    found = imagenet.study(tmp_path_factory.mktemp("imagenet") / "results", RUN)
    imagenet.write(found)
    return found


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    """The first ten tasks alone."""
    found = imagenet.study(tmp_path_factory.mktemp("laptop") / "results", first=True)
    imagenet.write(found)
    return found


def metrics_of(study, module):
    return made.figure_metrics(study, module.needs(study))


def dots(axis):
    return [line for line in axis.lines if line.get_marker() == "o"]


def solid(axis):
    return [line for line in axis.lines if line.get_marker() in ("", "None", None)]


def test_equal_input_gives_equal_bytes(laptop, tmp_path):
    metrics = metrics_of(laptop, fig_1b)
    written = []
    for turn in ("one", "two"):
        svg, png = tmp_path / turn / "f.svg", tmp_path / turn / "f.png"
        figures.render("fig_1b", the_studies.figure("fig_1b"), metrics, svg, png)
        written.append((svg.read_bytes(), png.read_bytes()))
    assert written[0] == written[1]


PANELS = [(fig_1b, 0, "fig_1b_first"), (fig_1b, 1, "fig_1b"), (fig_1c, 0, "fig_1c")]


@pytest.mark.parametrize(("module", "panel", "name"), PANELS, ids=[row[2] for row in PANELS])
def test_published_points_are_drawn_as_printed_with_or_without_ours(study, module, panel, name):
    for metrics in (metrics_of(study, module), {}):
        axis = module.draw(metrics).axes[panel]
        for variant, line in published.series(name).items():
            assert any(
                np.array_equal(line.mean, found.get_ydata(), equal_nan=True) for found in dots(axis)
            ), variant
        remark = axis.get_title("right")
        assert (remark == "") == bool(metrics)


def test_published_standard_errors_are_drawn_where_they_were_read(study):
    axis = fig_1b.draw(metrics_of(study, fig_1b)).axes[1]
    bars = [bar for bar in axis.collections if hasattr(bar, "get_segments") and len(bar.get_segments()) == 40]
    heights = np.array([[end[1] - start[1] for start, end in bar.get_segments()] for bar in bars])
    expected = [2 * line.se for line in published.series("fig_1b").values() if line.se is not None]
    np.testing.assert_allclose(np.sort(heights.sum(1)), np.sort(np.sum(expected, axis=1)))


def test_ours_are_bins_of_fifty_tasks_with_one_standard_error(study):
    path = study.folder / "metrics" / IMAGENET / f"{CBP}.h5"
    metric = _continual_imagenet.bins(path)
    assert metric.values.shape == (3, 100) and metric.x[:2].tolist() == [25.5, 75.5]
    np.testing.assert_array_equal(metric.x, published.curve("fig_1c", CBP).x)  # bin over bin
    low, high = metric.error
    np.testing.assert_allclose(high - low, 2 * metric.values.std(0, ddof=1) / np.sqrt(3))
    line = next(x for x in solid(fig_1c.draw(metrics_of(study, fig_1c)).axes[0]) if len(x.get_xdata()) == 100)
    assert line.get_xdata()[0] == 25.5


def test_the_left_panel_has_ten_tasks_one_by_one(study):
    left, right = fig_1b.draw(metrics_of(study, fig_1b)).axes
    assert {len(line.get_xdata()) for line in solid(left)} == {10}
    assert {len(line.get_xdata()) for line in solid(right)} == {40}
    assert len(solid(left)) == 4 and len(dots(left)) == 3  # the article's left panel lacks 0.0001


def test_backprop_leaves_the_axis_and_is_marked(study):
    axis = fig_1c.draw(metrics_of(study, fig_1c)).axes[0]
    assert axis.get_ylim() == (82, 92)
    below = [line for line in axis.lines if line.get_marker() == "v"]
    faces = {to_hex(line.get_markerfacecolor()) for line in below}
    assert faces == {_style.METHOD_COLOURS["backprop"], _style.PAPER}  # ours filled, the published open
    assert min(min(line.get_xdata()) for line in below) > 750  # from where either curve is under 82


def test_the_figure_says_what_our_runs_would_choose(study):
    assert (
        len(metrics_of(study, fig_1c)) == len(RUN) - 4
    )  # not the step sizes of Fig. 1b, the baseline, the fresh
    figure = fig_1c.draw(metrics_of(study, fig_1c))
    text = figure.legends[0].get_title().get_text()
    assert "L2 0.03, 3e-6 (as shown)" in text and "Continual" not in text  # half a grid chooses nothing
    assert len(solid(figure.axes[0])) == 4  # of a grid only what is shown is drawn
    some = {pair: path for pair, path in metrics_of(study, fig_1c).items() if pair[1] != L2_GRID[0]}
    assert fig_1c.draw(some).legends[0].get_title().get_text() == ""


def test_a_scale_with_fewer_tasks_shows_what_there_is(laptop, tmp_path):
    metrics = metrics_of(laptop, fig_1b)
    assert list(metrics) == [(FIRST, "backprop_0.01")] and fig_1c.needs(laptop) == []
    figure = fig_1b.draw(metrics)
    left, right = figure.axes
    assert len(solid(left)) == 1 and "284 classes of 500 + 50 images" in left.get_title("right")
    assert solid(right) == [] and "not run" in right.get_title("right")
    assert "ours, 3 seeds" in figure.get_suptitle()
    short = imagenet.study(tmp_path, ("backprop_0.01", CBP))
    imagenet.write(short, tasks=120)
    assert len(solid(fig_1c.draw(metrics_of(short, fig_1c)).axes[0])[0].get_xdata()) == 2
    imagenet.write(short, tasks=20)
    assert len(solid(fig_1c.draw(metrics_of(short, fig_1c)).axes[0])[0].get_xdata()) == 20


def test_a_users_own_method_appears_beside_the_others(tmp_path):
    own = imagenet.study(tmp_path, ("mine", L2))
    imagenet.write(own)
    legend = fig_1c.draw(metrics_of(own, fig_1c)).legends[0]
    assert "Mine" in [text.get_text() for text in legend.get_texts()]
    colours = [to_hex(line.get_color()) for line in legend.get_lines()]
    assert len(set(colours[:5])) == 5


@pytest.fixture(scope="module")
def paper():
    return config.load(ROOT / "config.yaml", scale="paper")


def test_figures_and_claims_name_what_the_config_has(paper):
    known = set(paper.variants(IMAGENET))
    assert {variant for method in _continual_imagenet.METHODS for variant in method.grid} <= known
    assert the_studies.claims(IMAGENET).variants() <= known and set(_continual_imagenet.STEPS) <= known
    assert known >= fig_1c.ELSEWHERE
    assert all(set(published.names(name)) <= known for name in ("fig_1b", "fig_1b_first", "fig_1c"))
    drawn = {variant for _, variant in (*fig_1b.needs(paper), *fig_1c.needs(paper))}
    assert known - drawn == {"backprop_0.1", "backprop_0.003", "fresh"}  # of the text alone
    laptop = config.load(ROOT / "config.yaml", scale="laptop")
    assert the_studies.claims(FIRST).variants() == set(laptop.variants(FIRST)) == {"backprop_0.01"}


def test_the_paper_scale_is_the_article(paper):
    assert (
        len(paper.variants(IMAGENET)) == 5 + 4 * 4 + 2 * 4 * 4 + 2 * 5 + 2
        and len(paper.all_seeds(IMAGENET)) == 30
    )
    for variant in paper.variants(IMAGENET):
        settings = paper.settings(IMAGENET, variant)
        problem, procedure = settings["problem"], settings["procedure"]
        assert (problem["classes"], problem["train_per_class"], problem["test_per_class"]) == (1000, 600, 100)
        assert (procedure["epochs"], procedure["batch_size"]) == (250, 100)
        assert procedure["reset"] == ("network" if variant == "fresh" else "head")
        assert settings["algorithm"]["momentum"] == 0.9
        lengths = {"backprop": 2000, "linear": 2000, "fresh": 50}
        assert settings["length"] == lengths.get(variant.split("_")[0], 5000)
        if variant != "linear":
            assert settings["network"]["channels"] == [32, 64, 128] and settings["network"]["hidden"] == [
                128,
                128,
            ]
    cbp = paper.settings(IMAGENET, CBP)["algorithm"]
    assert (cbp["step_size"], cbp["replacement_rate"], cbp["count"]) == (0.01, 3e-4, "layer_width")
    assert (cbp["utility"], cbp["maturity_threshold"], cbp["utility_decay"]) == (
        "adaptable_contribution",
        100,
        0.99,
    )
    both = {paper.sequence(IMAGENET, variant) for variant in (CBP, L2, NOISY)}
    assert len(both) == 1  # the same tasks for all methods


def test_imagenet_is_never_part_of_a_plain_run():
    for scale in ("smoke", "laptop", "paper"):
        study = config.load(ROOT / "config.yaml", scale=scale)
        names = [name for name in study.experiments() if study.experiment(name).world["name"] == IMAGENET]
        assert not any(study.experiment(name).all_by_default for name in names)
        assert (FIRST in names) == (scale == "laptop") and (IMAGENET in names) == (scale == "paper")

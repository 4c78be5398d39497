"""Figures: the same bytes from the same files, published points as printed, clear errors."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import synthetic_results as made
import the_studies
from matplotlib.colors import to_hex
from the_studies import published

from perennial import figures, registry
from perennial.figures import _read, _style
from perennial.files import store

REGRESSION, DIGITS = made.REGRESSION, made.DIGITS
ed_fig_2b, permuted_digits, slowly_changing_regression_methods = map(
    the_studies.figure, ("ed_fig_2b", "permuted_digits", "slowly_changing_regression_methods")
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """All 27 regression variants, but few seeds and tasks."""
    return made.make(tmp_path_factory.mktemp("figures") / "results", full=True, seeds=3, tasks=40)


def pairs(study, module):
    return made.figure_metrics(study, module.needs(study))


def axis_of(figure, title):
    return next(axis for axis in figure.axes if axis.get_title("left") == title or axis.get_title() == title)


def marks(axis, marker):
    return [line for line in axis.lines if line.get_marker() == marker]


@pytest.mark.parametrize("name", ["ed_fig_2b", "permuted_digits", "slowly_changing_regression_methods"])
def test_equal_input_gives_equal_bytes(study, name, tmp_path):
    metrics = pairs(study, the_studies.figure(name))
    if name == "ed_fig_2b":  # the dearest to draw: two panels are enough here
        metrics = {pair: path for pair, path in metrics.items() if pair[1].startswith(("relu", "linear"))}
    written = []
    for turn in ("one", "two"):
        svg, png = tmp_path / turn / f"{name}.svg", tmp_path / turn / f"{name}.png"
        figures.render(name, the_studies.figure(name), metrics, svg, png)
        written.append((svg.read_bytes(), png.read_bytes()))
        assert sorted(p.name for p in svg.parent.iterdir()) == [png.name, svg.name]  # nothing left behind
    assert written[0] == written[1]
    assert written[0][1].startswith(b"\x89PNG")
    assert b"<svg" in written[0][0] and b"dc:date" not in written[0][0]


def test_every_figure_says_what_it_is():
    for name in the_studies.STUDY.figure_modules:
        module = the_studies.figure(name)
        assert module.TITLE and len(module.CAPTION) > 100
        assert callable(module.needs) and callable(module.draw)


def test_published_points_are_drawn_as_printed(study):
    metrics = pairs(study, ed_fig_2b)
    figure = ed_fig_2b.draw(metrics)
    for activation in made.ACTIVATIONS:
        axis = axis_of(figure, _style.ACTIVATION_NAMES[activation])
        drawn = [line.get_ydata() for line in marks(axis, "o")]
        for name in ("linear", *(f"{activation}_{step:g}" for step in made.STEPS)):
            expected = published.curve("ed_fig_2b", name).mean
            assert any(np.array_equal(expected, found, equal_nan=True) for found in drawn), name


def test_points_above_the_printed_axis_are_triangles_not_values(study):
    figure = ed_fig_2b.draw(pairs(study, ed_fig_2b))
    for activation in ("relu", "swish", "elu"):
        axis = axis_of(figure, _style.ACTIVATION_NAMES[activation])
        open_ones = [m for m in marks(axis, "^") if to_hex(m.get_markerfacecolor()) == _style.PAPER]
        for step in made.STEPS:
            series = published.curve("ed_fig_2b", f"{activation}_{step:g}")
            assert np.isnan(series.mean[series.above]).all()
        count = sum(
            int(published.curve("ed_fig_2b", f"{activation}_{step:g}").above.sum()) for step in made.STEPS
        )
        assert sum(len(m.get_xdata()) for m in open_ones) == count
        assert all(abs(y - 1.2) < 0.02 for m in open_ones for y in m.get_ydata())
    assert any("above 1.2" in text.get_text() for text in figure.legends[0].get_texts())


def test_axes_are_those_of_the_article_unless_ours_go_beyond(study):
    figure = ed_fig_2b.draw(pairs(study, ed_fig_2b))
    low, high = axis_of(figure, "Swish").get_ylim()
    assert low == 0.4
    ours = _read.read(study.folder / "metrics" / REGRESSION / "swish_0.01.h5", "squared_error").mean
    assert ours.max() < high <= ed_fig_2b.FARTHEST  # nothing of ours is hidden
    small = {p: f for p, f in pairs(study, ed_fig_2b).items() if p[1].startswith(("elu", "linear"))}
    as_printed = ed_fig_2b.draw(small)
    assert axis_of(as_printed, "ELU").get_ylim() == (0.2, 1.0)
    assert axis_of(as_printed, "Swish").get_ylim() == (0.4, 1.2)


def test_a_diverged_run_is_marked_at_the_edge(study, tmp_path):
    values = np.full((3, 75), 0.8)
    values[:, 50:] = np.inf
    path = tmp_path / "relu_0.01.h5"
    given = study.settings(REGRESSION, "relu_0.01")
    arrays = {"squared_error": (values, {"example": np.arange(75) * 40_000}, "squared error")}
    made.write_metrics(path, REGRESSION, "relu_0.01", given, 3, arrays)
    axis = axis_of(ed_fig_2b.draw({(REGRESSION, "relu_0.01"): path}), "ReLU")
    filled = [m for m in marks(axis, "^") if to_hex(m.get_markerfacecolor()) == _style.RED]
    assert sum(len(m.get_xdata()) for m in filled) == 25


def test_the_band_is_the_interval_of_the_metrics_file(study):
    path = study.folder / "metrics" / REGRESSION / "relu_0.01.h5"
    metric = _read.read(path, "squared_error")
    with store.open_checked(path) as file:
        np.testing.assert_allclose(metric.band[0], file["squared_error/low"][:], atol=1e-6)
        np.testing.assert_allclose(metric.band[1], file["squared_error/high"][:], atol=1e-6)
        np.testing.assert_allclose(metric.mean, file["squared_error/mean"][:], atol=1e-6)


def test_one_seed_and_few_variants_still_draw(tmp_path):
    study = made.make(tmp_path, full=False, seeds=1, tasks=20)
    for name in the_studies.STUDY.figure_modules:
        module = the_studies.figure(name)
        assert module.draw(pairs(study, module)).axes


def test_needs_lists_only_what_is_active(study, tmp_path):
    shown = [variant for _, variant in ed_fig_2b.needs(study)]
    assert len(shown) == 19 and "relu_cbp_1e-4" not in shown
    shown = [variant for _, variant in slowly_changing_regression_methods.needs(study)]
    assert "relu_cbp_1e-4" in shown and "relu_0.01" in shown
    assert "relu_0.001" not in shown and "elu_0.01" not in shown
    nothing = made.Study(tmp_path, table={})
    assert not any(the_studies.figure(name).needs(nothing) for name in the_studies.STUDY.figure_modules)


def test_a_users_own_method_appears_by_itself(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    study.table[REGRESSION]["relu_mine_0.1"] = made.settings(REGRESSION, [5], "relu", "mine", 300)
    study.table[REGRESSION]["relu_mine_0.2"] = made.settings(REGRESSION, [5], "relu", "mine", 300, x=1)
    study.table[DIGITS]["mine"] = made.settings(DIGITS, [100, 100, 100], "relu", "mine", 20)
    made.write_regression(study, 2)
    made.write_digits(study, 2, 20)
    for module, label in (
        (permuted_digits, "Mine"),
        (slowly_changing_regression_methods, "Mine (best of 2)"),
    ):
        legend = module.draw(pairs(study, module)).legends[0]
        labels = [text.get_text() for text in legend.get_texts()]
        assert label in labels and len(set(labels)) == len(labels)
        colours = [to_hex(line.get_color()) for line in legend.get_lines()]
        assert len(set(colours)) == len(colours)


def test_rank_is_shown_in_percent_of_the_width(study):
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    raw, shown = _read.read(path, "effective_rank"), permuted_digits._shown(path, "effective_rank")
    np.testing.assert_allclose(shown.mean, raw.values.mean((0, 2)))  # width 100: dimensions are percent


def test_bins_leave_out_a_short_end():
    metric = _read.Metric(np.arange(14.0).reshape(2, 7), {"task": np.arange(1, 8)}, "", "", {}, "v")
    binned = metric.binned(3)
    np.testing.assert_array_equal(binned.values, [[1, 4], [8, 11]])
    np.testing.assert_array_equal(binned.x, [2, 5])


def test_a_bad_file_ends_in_one_clear_line(study, tmp_path):
    metrics = pairs(study, permuted_digits)
    broken = tmp_path / "cbp.h5"
    broken.write_bytes(metrics[DIGITS, "cbp"].read_bytes()[:-100])
    metrics[DIGITS, "cbp"] = broken
    with pytest.raises(_read.FigureError) as error:
        figures.render(
            "permuted_digits",
            permuted_digits,
            metrics,
            tmp_path / "a.svg",
            tmp_path / "a.png",
        )
    assert str(error.value).startswith(f"{broken}: is truncated") and "\n" not in str(error.value)
    assert not (tmp_path / "a.svg").exists()


def test_a_missing_metric_is_named_with_what_there_is(study):
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    expected = r"cbp\.h5: has no metric 'online_acuracy' \(has: dead.*\(did you mean 'online_accuracy'\?\)$"
    with pytest.raises(_read.FigureError, match=expected):
        _read.read(path, "online_acuracy")
    with pytest.raises(_read.FigureError, match=r"nothing\.h5: cannot be read"):
        _read.read(path.with_name("nothing.h5"), "online_accuracy")


def test_an_unknown_figure_is_refused():
    with pytest.raises(registry.UnknownName, match="did you mean 'ed_fig_2b'"):
        the_studies.figure("ed_fig_2bb")


def test_figures_and_report_need_neither_torch_nor_numba():
    script = (
        "import sys\nfrom perennial import config, figures, report\n"
        "from perennial.report import gather, page, switches\n"
        "study = config.load('config.yaml', scale='paper')\nassert len(study.figures()) > 8\nswitches.table()\n"
        "print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=the_studies.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"

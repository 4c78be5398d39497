"""What the figures of online permuted MNIST share: methods and their grids, panels, published curves as dots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from perennial import published
from perennial.figures import _read, _style

EXPERIMENT = "permuted_mnist"
STEPS = {
    "backprop_0.01": (_style.RED, "step 0.01"),
    "backprop_0.003": (_style.GREEN, "step 0.003"),
    "backprop_0.001": (_style.BLUE, "step 0.001"),
}  #: variant -> (colour, label)
SOURCES = "Lines: ours, {seeds}. Dots: published, 30 runs."
NOT_RUN = "not run at this scale"
CAPTION = (
    "Lines: ours, mean over seeds; bands: 95 % interval. Dots joined by a thin line: the published mean of 30 "
    "runs, from the vector figure of the preprint (tasks 1 to 20, then every tenth); gaps are points hidden "
    "there by another line. Triangles at an edge: the curve goes on beyond it."
)


@dataclass(frozen=True)
class Method:
    """One method with its published grid. `shown` is the setting that the article shows beside the others."""

    name: str
    shown: str
    grid: Mapping[str, str]  #: variant -> its setting in words
    parameter: str  #: what the grid is a grid of


def _grid(name: str, settings: Iterable[str]) -> dict[str, str]:
    return {f"{name}_{setting.replace(', ', '_')}": setting for setting in settings}


def _method(name: str, parameter: str, shown: str, *settings: str) -> Method:
    (chosen,) = _grid(name, [shown])
    return Method(name, chosen, _grid(name, settings), parameter)


#: The article chose by the highest percent correct, meaned over all 800 tasks (but for dropout, shown as
#: representative). Sources: preprint, appendix; Adam's shown step size is the one whose task 1 is
#: nearest to the curve (docs/first_tasks.md); its task 2 speaks for 1e-4.
METHODS = (
    _method("backprop", "step size", "0.003", "0.01", "0.003", "0.001"),
    _method("l2", "weight decay", "1e-4", "0.001", "1e-4", "1e-5"),
    _method("shrink_and_perturb", "noise", "1e-5", "1e-4", "1e-5", "1e-6"),
    _method("dropout", "probability", "0.1", "0.03", "0.1", "0.3"),
    _method(
        "online_normalisation", "decay rates", "0.999, 0.99", "0.9999, 0.999", "0.999, 0.99", "0.99, 0.9"
    ),
    _method("adam", "step size", "5e-5", "1e-4", "5e-5", "3e-5"),
    _method("cbp", "replacement rate", "1e-6", "1e-4", "1e-5", "1e-6"),
)


def active(study, experiment: str, shown: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """The active ones of these variants of an experiment; all of them when none are named."""
    if experiment not in study.experiments():
        return []
    return [(experiment, v) for v in study.variants(experiment) if shown is None or v in shown]


def chosen(accuracies: Mapping[str, _read.Metric], method: Method) -> str | None:
    """The setting with the highest mean accuracy over all tasks and seeds; None unless the whole grid is there."""
    if not all(variant in accuracies for variant in method.grid):
        return None
    return max(method.grid, key=lambda variant: float(np.nan_to_num(accuracies[variant].values.mean())))


def read(path: Path, name: str) -> _read.Metric:
    """A metric as its panel shows it: layers averaged, dimensions in percent of the width: values [seed, task]."""
    metric = _read.read(path, name)
    if name == "effective_rank":
        widths = np.array(metric.settings["network"]["hidden"], float)
        metric = replace(metric, values=100 * metric.values / widths)
    return metric.over_layers()


def panel(
    axis: Axes,
    looks: Mapping[str, str],
    ours: Mapping[str, _read.Metric],
    theirs: Mapping[str, published.Series],
    limits: tuple[float | None, float | None] = (None, None),
) -> None:
    """Ours as lines, the published curves as dots, for each variant of `looks` (variant -> colour).

    Args:
        limits: ends of the y axis; where None, the axis ends beyond all that is shown.
    """
    for variant, colour in looks.items():
        if variant in ours:
            _style.curve(axis, ours[variant], colour)
        if variant in theirs:
            line = theirs[variant]
            look = {"markersize": 2.4, "markeredgewidth": 0, "linewidth": 0.7, "zorder": 5}
            axis.plot(line.x, line.mean, "-o", color=_style.darker(colour), **look)
    low, high = limits
    axis.set_ylim(low, high)
    for variant, colour in looks.items():
        if variant in ours:
            _edges(axis, ours[variant].x, ours[variant].mean, colour, filled=True)
        if variant in theirs:
            line = theirs[variant]
            mean = np.where(line.above, np.inf, line.mean)
            _edges(axis, line.x, mean, _style.darker(colour), filled=False)
    if not set(looks) & set(ours):
        axis.set_title(NOT_RUN, loc="right", color=_style.FAINT, fontsize=9, fontweight="normal")


def _edges(axis: Axes, x: np.ndarray, mean: np.ndarray, colour: str, filled: bool) -> None:
    """Triangles where a curve leaves the axis: filled for ours, open for what is published."""
    low, high = axis.get_ylim()
    face = colour if filled else _style.PAPER
    for gone, end, marker in ((mean < low, low, "v"), (mean > high, high, "^")):
        if gone.any():
            places = x[gone][:: max(1, gone.sum() // 12)]  # a row of marks, not a bar
            axis.plot(places, np.full(len(places), end), marker, color=colour, markerfacecolor=face,
                      markersize=5, markeredgewidth=1, clip_on=False, zorder=6)  # fmt: skip


def percent(axis: Axes) -> None:
    """Label the y axis in percent."""
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))


def kinds() -> list:
    """Legend entries for what a line, a band and dots are."""
    dots = {"marker": "o", "markersize": 4, "linewidth": 0.7}
    return [_style.swatch(_style.INK, "ours"), _style.band_swatch("ours, 95 % interval"),
            _style.swatch(_style.INK, "published", **dots)]  # fmt: skip


def heading(figure, counts: set[int]) -> None:
    """Say above the panels what is ours, from how many seeds, and what is published."""
    text = SOURCES.format(seeds=_style.seeds_text(counts))
    figure.suptitle(text, x=0.01, ha="left", fontsize=11, color=_style.FAINT)

"""Ours over the published curves, in one panel: lines and bands for ours, dots for what is published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from perennial.claims.curves import Series
from perennial.figures import _read, _style
from perennial.lazy import ticker

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SOURCES = "Lines: ours, {seeds}. Dots: published, 30 runs."
NOT_RUN = "not run at this scale"


def active(study, experiment: str, shown: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """The active ones of these variants of an experiment; all of them when none are named."""
    if experiment not in study.experiments():
        return []
    return [(experiment, v) for v in study.variants(experiment) if shown is None or v in shown]


def panel(
    axis: Axes,
    looks: Mapping[str, str],
    ours: Mapping[str, _read.Metric],
    theirs: Mapping[str, Series],
    limits: tuple[float | None, float | None] = (None, None),
    error: bool = False,
) -> None:
    """Ours as lines, the published curves as dots, for each variant of `looks` (variant -> colour).

    Args:
        limits: ends of the y axis; where None, the axis ends beyond all that is shown.
        error: bands and bars of one standard error, as the article has them, in place of our 95 % interval.
    """
    for variant, colour in looks.items():
        if variant in ours:
            _style.curve(axis, ours[variant], colour, band=ours[variant].error if error else None)
        if variant in theirs:
            line = theirs[variant]
            look = {"markersize": 2.4, "markeredgewidth": 0, "linewidth": 0.7, "zorder": 5}
            axis.plot(line.x, line.mean, "-o", color=_style.darker(colour), **look)
            if error and line.se is not None:
                ends = (line.mean - line.se, line.mean + line.se)
                axis.vlines(line.x, *ends, color=_style.darker(colour), linewidth=0.7, zorder=5)
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
    axis.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}%"))


def kinds(error: bool = False) -> list:
    """Legend entries for what a line, a band and dots are."""
    dots = {"marker": "o", "markersize": 4, "linewidth": 0.7}
    band = "ours, \N{PLUS-MINUS SIGN}1 standard error" if error else "ours, 95 % interval"
    return [_style.swatch(_style.INK, "ours"), _style.band_swatch(band),
            _style.swatch(_style.INK, "published", **dots)]  # fmt: skip


def heading(figure, counts: set[int]) -> None:
    """Say above the panels what is ours, from how many seeds, and what is published."""
    _style.heading(figure, SOURCES.format(seeds=_style.seeds_text(counts)))

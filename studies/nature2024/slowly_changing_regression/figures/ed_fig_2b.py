"""Extended Data Fig. 2b: backprop on slowly-changing regression, six activations, three step sizes each.

Ours is a line with its band, the published curve lies over it as dots. Published points above the printed
axis are triangles on its end; they have no known value and are never joined or averaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style
from perennial.lazy import lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "ed_fig_2b")
TITLE = "Extended Data Fig. 2b: loss of plasticity on slowly-changing regression"
CAPTION = (
    "Squared error of backpropagation in bins of 40,000 examples, for six activations and three step "
    "sizes, and of a linear learner. Lines: ours, mean over seeds; bands: 95 % interval. Dots joined by a "
    "thin line: the published mean of 100 runs, read off the printed figure; gaps are points hidden there "
    "by a label or another line. Open triangles: published points above the end of the printed axis (more "
    "than 1.2; no value can be read). The printed axes end at 1.0 (upper row) and 1.2 (lower row), marked "
    "where ours go on beyond."
)
ROWS = (("tanh", "sigmoid", "elu"), ("relu", "leaky_relu", "swish"))
STEPS = {"0.01": _style.RED, "0.003": _style.GREEN, "0.001": _style.BLUE}
PRINTED = ((0.2, 1.0), (0.4, 1.2))  #: the y axes of the article, upper and lower row
PRINTED_END = {"linewidth": 0.9, "linestyle": (0, (6, 4))}
FARTHEST = 2.0  #: our axis never goes beyond this; what lies there is marked at the edge
MILLION = 1e6


def needs(study) -> list[tuple[str, str]]:
    """The active ones of the linear grid and the 18 curves."""
    shown = {f"{activation}_{step}" for row in ROWS for activation in row for step in STEPS}
    active = _overlay.active(study, EXPERIMENT)
    return [pair for pair in active if pair[1] in shown or pair[1].startswith("linear_")]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Two rows of three panels, as printed."""
    ours = {variant: _read.read(path, "squared_error") for (_, variant), path in metrics.items()}
    linear = _style.least([m for name, m in ours.items() if name.startswith("linear_")])
    theirs = CURVES.series("ed_fig_2b")
    figure, axes = _style.panels(2, 3, width=12.5, height=3.7, sharex=True, sharey="row")
    for row, activations, limits in zip(axes, ROWS, PRINTED, strict=True):
        shown = [ours[f"{a}_{s}"] for a in activations for s in STEPS if f"{a}_{s}" in ours]
        top = _top(shown, limits[1])
        for axis, activation in zip(row, activations, strict=True):
            lines = {step: ours[f"{activation}_{step}"] for step in STEPS if f"{activation}_{step}" in ours}
            _panel(axis, activation, lines, linear, theirs, top)
            axis.set(ylim=(limits[0], top), title=_style.ACTIVATION_NAMES[activation])
            if top > limits[1]:
                axis.axhline(limits[1], color=_style.FAINT, zorder=1, **PRINTED_END)
        row[0].set_ylabel("squared error")
    for axis in axes[-1]:
        axis.set_xlabel("examples (millions)")
    ends = {series.clipped_above for series in theirs.values() if series.above.any()}
    figure.legend(handles=_legend(linear, ends), loc="outside lower center", ncols=4)
    seeds = _style.seeds_text({metric.seeds for metric in ours.values()})
    _style.heading(figure, f"Lines: ours, {seeds}. Dots: published, 100 runs.")
    return figure


def _panel(axis: Axes, activation: str, lines: dict, linear, theirs: dict, top: float) -> None:
    if linear is not None:
        _style.curve(axis, linear, _style.GREY, MILLION, linewidth=1.6)
    _dots(axis, theirs["linear"], _style.GREY, top)
    for rank, (step, colour) in enumerate(STEPS.items()):
        if step in lines:
            _style.curve(axis, lines[step], colour, MILLION)
            _style.beyond(axis, lines[step], colour, top, MILLION)
        _dots(axis, theirs[f"{activation}_{step}"], colour, top, rank)
    if not lines:
        axis.text(0.98, 0.04, "published only: not run at this scale", transform=axis.transAxes, ha="right",
                  color=_style.FAINT, fontsize=10)  # fmt: skip


def _dots(axis: Axes, series: curves.Series, colour: str, top: float, rank: int = 0) -> None:
    """The published curve: dots where it could be read, open triangles where it leaves the printed axis."""
    dark = _style.darker(colour)
    look = {"markersize": 2.6, "markeredgewidth": 0, "linewidth": 0.7, "zorder": 5}
    axis.plot(series.x / MILLION, series.mean, "-o", color=dark, **look)
    if not series.above.any() or series.clipped_above is None:
        return
    end = series.clipped_above
    x = series.x[series.above] / MILLION
    axis.plot(x, np.full(len(x), end - 0.004 * rank), "^", markerfacecolor=_style.PAPER, markeredgecolor=dark,
              markersize=5.5, markeredgewidth=1.1, clip_on=False, zorder=6)  # fmt: skip


def _top(shown: list[_read.Metric], printed: float) -> float:
    """The printed end of the axis, or further where our means go on."""
    means = [m.mean[m.mean <= FARTHEST] for m in shown]
    highest = max([float(mean.max(initial=0)) for mean in means], default=0.0)
    return printed if highest <= printed else min(FARTHEST, highest + 0.05)


def _legend(linear: _read.Metric | None, ends: set[float | None]) -> list:
    handles: list = [_style.swatch(colour, f"ours, step {step}") for step, colour in STEPS.items()]
    step = f", step {linear.settings['algorithm']['step_size']:g}" if linear is not None else ""
    handles.append(_style.swatch(_style.GREY, f"ours, linear{step}"))
    handles.append(_style.band_swatch("ours, 95 % interval"))
    dots = {"marker": "o", "markersize": 4, "linewidth": 0.7}
    handles.append(_style.swatch(_style.INK, "published", **dots))
    above = " or ".join(f"{end:g}" for end in sorted(end for end in ends if end is not None))
    off = {"linestyle": "", "markersize": 6, "markerfacecolor": _style.PAPER, "markeredgecolor": _style.INK}
    handles.append(lines.Line2D([], [], marker="^", label=f"published, above {above}", **off))
    handles.append(_style.swatch(_style.FAINT, "end of the printed axis", **PRINTED_END))
    return handles

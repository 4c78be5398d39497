"""Extended Data Fig. 4b: how much each method depends on its setting, on online permuted MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _methods, _overlay, _read, _style

from . import _permuted_mnist as mnist

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "ed_fig_4a_online_accuracy", "ed_fig_4b_*")
TITLE = "Extended Data Fig. 4b: sensitivity of the methods on online permuted MNIST"
CAPTION = (
    "Online accuracy of each method at three settings, networks 784-2000-2000-2000-10. Of the published curves "
    "only those of continual backpropagation and the shown setting of each other method were read off; diamonds "
    "at task 800 are published ends read by eye (error about 0.1). The choice of our runs is the setting with "
    "the highest mean accuracy over all tasks, the article's criterion. " + mnist.CAPTION
)
METHODS = tuple(method for method in mnist.METHODS if method.name != "backprop")
COLOURS = (_style.RED, _style.GREEN, _style.BLUE)
LOWEST = {
    "adam": 58.0,
    "dropout": 82.0,
    "shrink_and_perturb": 90.0,
}  #: end of the y axis, else 91: room for a legend
HIGHEST = 96.0


def needs(study) -> list[tuple[str, str]]:
    """The active ones of the grids."""
    return _overlay.active(
        study, mnist.EXPERIMENT, {variant for method in METHODS for variant in method.grid}
    )


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel per method."""
    ours = {variant: mnist.read(path, "online_accuracy") for (_, variant), path in metrics.items()}
    theirs = CURVES.series("ed_fig_4a_online_accuracy") | CURVES.series("ed_fig_4b_cbp")
    ends = CURVES.series("ed_fig_4b_ends")
    figure, axes = _style.panels(2, 3, width=13.5, height=3.7, sharex=True)
    for axis, method in zip(axes.flat, METHODS, strict=True):
        looks = dict(zip(method.grid, COLOURS, strict=True))
        limits = (LOWEST.get(method.name, 91.0), HIGHEST)
        _overlay.panel(axis, looks, ours, theirs, limits)
        _ends(axis, looks, ends)
        axis.set(title=_style.METHOD_NAMES[method.name], xlim=(-20, 830))
        _overlay.percent(axis)
        axis.legend(handles=_settings(looks, method, ours), title=method.parameter, title_fontsize=9.5,
                    fontsize=9.5, loc="lower left", alignment="left")  # fmt: skip
    for axis in axes[:, 0]:
        axis.set_ylabel("online accuracy")
    for axis in axes[-1]:
        axis.set_xlabel("task")
    diamond = _style.swatch(_style.INK, "published end, by eye", marker="D", linestyle="", markersize=5,
                            markerfacecolor=_style.PAPER)  # fmt: skip
    figure.legend(handles=[*_overlay.kinds(), diamond], loc="outside lower center", ncols=4)
    _overlay.heading(figure, {metric.seeds for metric in ours.values()})
    return figure


def _ends(axis: Axes, looks: dict[str, str], ends: dict[str, curves.Series]) -> None:
    """Published ends that were read by eye."""
    for variant, colour in looks.items():
        if variant in ends:
            axis.plot(ends[variant].x, ends[variant].mean, "D", color=_style.darker(colour), markersize=5,
                      markerfacecolor=_style.PAPER, zorder=6, clip_on=False)  # fmt: skip


def _settings(looks: dict[str, str], method: _methods.Method, ours: dict[str, _read.Metric]) -> list:
    """A panel's legend: which setting is shown in the article, and which our runs choose."""
    best = _methods.chosen(ours, method)
    handles = []
    for variant, colour in looks.items():
        marks = ["shown"] * (variant == method.shown) + ["our runs' choice"] * (variant == best)
        text = method.grid[variant] + (f" ({', '.join(marks)})" if marks else "")
        handles.append(_style.swatch(colour, text))
    return handles

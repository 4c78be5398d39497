"""Fig. 1c: methods that keep plasticity on Continual ImageNet, over 5,000 tasks, beside backprop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _methods, _overlay, _read, _style

from . import _continual_imagenet as imagenet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "fig_1b", "fig_1c")
TITLE = "Fig. 1c: keeping plasticity on Continual ImageNet"
CAPTION = (
    "Four methods over 5,000 tasks in bins of 50, each at the setting that the article shows; backpropagation with "
    "step size 0.01 over 2,000, where it leaves the axis. The published curves but for backpropagation's are read off "
    "a raster figure (error about 0.1, no standard errors). Below the panel stands what the article's criterion, the "
    "highest mean accuracy over all tasks, chooses from our own runs of each method's grid. "
    + imagenet.CAPTION
)
BACKPROP = "backprop_0.01"
SHOWN = {"backprop": BACKPROP} | {method.name: method.shown for method in imagenet.METHODS}
LIMITS = (82, 92)  #: the printed axis
#: of Fig. 1b: step sizes and the baseline, which are not drawn here
ELSEWHERE = {"backprop_0.1", "backprop_0.003", "backprop_0.001", "backprop_1e-4", "linear", "fresh"}
IN_GRIDS = {variant for method in imagenet.METHODS for variant in method.grid}


def needs(study) -> list[tuple[str, str]]:
    """Every active variant but those of Fig. 1b: the grids for the choice, a user's own methods to be drawn."""
    return [pair for pair in _overlay.active(study, imagenet.EXPERIMENT) if pair[1] not in ELSEWHERE]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel, one line per method."""
    paths = {variant: path for (_, variant), path in metrics.items()}
    looks = _methods.looks(SHOWN, IN_GRIDS, paths)
    colours = {variant: colour for variant, (colour, _) in looks.items()}
    ours = {variant: imagenet.bins(paths[variant]) for variant in looks if variant in paths}
    theirs = {**CURVES.series("fig_1c"), BACKPROP: CURVES.curve("fig_1b", BACKPROP)}
    figure, ((axis,),) = _style.panels(1, 1, width=9.5, height=5.2)
    _overlay.panel(axis, colours, ours, theirs, LIMITS, error=True)
    axis.set(xlabel="task", ylabel="test accuracy")
    _overlay.percent(axis)
    handles = [_style.swatch(colour, label) for colour, label in looks.values()]
    accuracies = {variant: _read.read(path, imagenet.METRIC) for variant, path in paths.items()}
    figure.legend(handles=[*handles, *_overlay.kinds(error=True)], loc="outside lower center", ncols=4,
                  title=_methods.choice(accuracies, imagenet.METHODS) or None, title_fontsize=10)  # fmt: skip
    _overlay.heading(figure, {metric.seeds for metric in ours.values()})
    return figure

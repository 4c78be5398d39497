"""Extended Data Fig. 4a: all methods on online permuted MNIST, each at the setting that the article shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _methods, _overlay, _read, _style

from . import _permuted_mnist as mnist

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "ed_fig_4a_*")
TITLE = "Extended Data Fig. 4a: methods on online permuted MNIST"
CAPTION = (
    "Seven methods, networks 784-2000-2000-2000-10, each at the setting that the article shows. Online accuracy is "
    "the share predicted right before the update; below 90 percent Adam's curve goes on (to 73 in the article). "
    "Dead units, mean absolute weight and effective rank (mean of the layers, in percent of their width) are "
    "measured before each task. The printed axis of the dead units ends at 50 percent. Below the panels stands "
    "what the article's criterion, the highest mean accuracy over all tasks, chooses from our own runs of each "
    "method's grid. " + mnist.CAPTION
)
PANELS = (
    ("online_accuracy", "Online accuracy", "correct", (90, 96)),
    ("dead_units", "Dead units", "of the hidden units", (0, 50)),
    ("weight_magnitude", "Weight magnitude", "mean |weight|", (0, None)),
    ("effective_rank", "Effective rank", "of the layer's width", (0, None)),
)
SHOWN = {method.name: method.shown for method in mnist.METHODS}
IN_GRIDS = {variant for method in mnist.METHODS for variant in method.grid}


def needs(study) -> list[tuple[str, str]]:
    """Every active variant: the grids for the choice, a user's own methods to be drawn."""
    return _overlay.active(study, mnist.EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Four panels, one line per method."""
    paths = {variant: path for (_, variant), path in metrics.items()}
    looks = _methods.looks(SHOWN, IN_GRIDS, paths)
    colours = {variant: colour for variant, (colour, _) in looks.items()}
    figure, axes = _style.panels(2, 2, width=12.5, height=3.8, sharex=True)
    for axis, (name, title, label, limits) in zip(axes.flat, PANELS, strict=True):
        ours = {variant: mnist.read(paths[variant], name) for variant in looks if variant in paths}
        _overlay.panel(axis, colours, ours, CURVES.series(f"ed_fig_4a_{name}"), limits)
        axis.set(title=title, ylabel=label)
        if name != "weight_magnitude":
            _overlay.percent(axis)
    for axis in axes[-1]:
        axis.set_xlabel("task")
    handles = [_style.swatch(colour, label) for colour, label in looks.values()]
    accuracies = {variant: _read.read(path, "online_accuracy") for variant, path in paths.items()}
    figure.legend(handles=[*handles, *_overlay.kinds()], loc="outside lower center", ncols=5,
                  title=_methods.choice(accuracies, mnist.METHODS) or None, title_fontsize=10)  # fmt: skip
    _overlay.heading(figure, {metric.seeds for metric in accuracies.values()})
    return figure

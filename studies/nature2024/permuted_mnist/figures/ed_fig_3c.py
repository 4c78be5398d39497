"""Extended Data Fig. 3c: dead units, weights and rank of backprop on online permuted MNIST, three step sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay, _style

from . import _permuted_mnist as mnist

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "ed_fig_3c_*")
TITLE = "Extended Data Fig. 3c: what happens inside, on online permuted MNIST"
CAPTION = (
    "Backpropagation at three step sizes, networks 784-2000-2000-2000-10. Left: units of all hidden layers that "
    "are silent on 2,000 examples of the coming task. Centre: mean absolute weight. Right: effective rank of the "
    "features of these examples, mean of the layers in percent of their width. Ours are measured before each "
    "task; the published weights are means over the task. " + mnist.CAPTION
)
PANELS = (
    ("dead_units", "Dead units", "of the hidden units"),
    ("weight_magnitude", "Weight magnitude", "mean |weight|"),
    ("effective_rank", "Effective rank", "of the layer's width"),
)


def needs(study) -> list[tuple[str, str]]:
    """The active ones of the three step sizes."""
    return _overlay.active(study, mnist.EXPERIMENT, mnist.STEPS)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three panels side by side, as printed."""
    figure, axes = _style.panels(1, 3, width=13.5, height=4.1)
    counts = set()
    for axis, (name, title, label) in zip(axes.flat, PANELS, strict=True):
        ours = {v: mnist.read(path, name) for (_, v), path in metrics.items() if v in mnist.STEPS}
        counts |= {metric.seeds for metric in ours.values()}
        looks = {variant: colour for variant, (colour, _) in mnist.STEPS.items()}
        _overlay.panel(axis, looks, ours, CURVES.series(f"ed_fig_3c_{name}"), limits=(0, None))
        axis.set(title=title, xlabel="task", ylabel=label)
        if name != "weight_magnitude":
            _overlay.percent(axis)
    steps = [_style.swatch(colour, label) for colour, label in mnist.STEPS.values()]
    figure.legend(handles=[*steps, *_overlay.kinds()], loc="outside lower center", ncols=6)
    _overlay.heading(figure, counts)
    return figure

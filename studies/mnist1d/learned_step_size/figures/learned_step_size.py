"""A step size learned through training: outer loss, last inner loss and step size by outer update, and the grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "learned_step_size*")
TITLE = "MNIST-1D: a learned step size"
CAPTION = (
    "A step size of plain gradient descent, learned through 200 updates, from 1.5 and from 0.15. Outer loss: the mean "
    "of the 200 inner losses. Lines: mean over seeds; bands: 95 % interval; dots: the published run, PyTorch seed 0. "
    "Last panel: the outer loss at fixed step sizes, mean and 95 % interval."
)
LOOKS = {"from_1.5": (_style.RED, "from 1.5"), "from_0.15": (_style.BLUE, "from 0.15")}
PANELS = {
    "outer_loss": ("Outer loss", "learned_step_size_outer_loss"),
    "final_inner_loss": ("Last inner loss", None),
    "learned_step_size": ("Step size", "learned_step_size"),
}


def needs(study) -> list[tuple[str, str]]:
    """Every active variant."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three panels by outer update, and the grid of fixed step sizes."""
    figure, axes = _style.panels(2, 2, height=3.2)
    paths = {variant: path for (_, variant), path in metrics.items()}
    for axis, (name, (title, published)) in zip(axes.flat, PANELS.items(), strict=False):
        for variant, (colour, _) in LOOKS.items():
            if variant in paths:
                _style.curve(axis, _read.read(paths[variant], name), colour)
            if published:
                line = CURVES.curve(published, variant)
                axis.plot(line.x, line.mean, "o", color=_style.darker(colour), markersize=5, zorder=6)
        axis.set(title=title, xlabel="outer update")
    _grid(
        axes[1, 1],
        [_read.read(path, "outer_loss") for name, path in paths.items() if name.startswith("fixed_")],
    )
    handles = [*(_style.swatch(*look) for look in LOOKS.values()), *_overlay.kinds()[1:]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    counts = {_read.read(path, "outer_loss").seeds for path in paths.values()}
    _style.heading(figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, one run.")
    return figure


def _grid(axis: Axes, fixed: list[_read.Metric]) -> None:
    axis.set(title="Fixed step sizes", xlabel="step size", ylabel="outer loss")
    if not fixed:
        _style.note(axis, _overlay.NOT_RUN)
        return
    x = np.array([metric.settings["algorithm"]["step_size"] for metric in fixed])
    mean = np.array([metric.mean[0] for metric in fixed])
    low, high = (np.array([metric.band[end][0] for metric in fixed]) for end in (0, 1))
    axis.errorbar(x, mean, [mean - low, high - mean], fmt="-o", color=_style.GREEN, markersize=4, capsize=3)

"""What the figures of class-incremental CIFAR-100 share: variants and their looks, and accuracy beside the retrained
network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial.claims.curves import Published
from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
RETRAINED = "retrained"
LOOKS = {
    "base_5e-4": (_style.RED, "base"),
    "shrink_and_perturb_1e-5": (_style.BLUE, "shrink and perturb"),
    "head": (_style.INK, "head resetting"),
    "cbp_1000_1e-5": (_style.GREEN, "continual backpropagation"),
}  #: variant -> (colour, label)
CAPTION = (
    " Five classes of CIFAR-100 join with every increment, and all so far are learnt. Lines: ours, mean over seeds. "
    "Dots joined by a thin line: the published mean of 30 runs, read at seven places. Bands: one standard error either "
    "way."
)


def needs(study) -> list[tuple[str, str]]:
    """The four methods that the figures show."""
    return _overlay.active(study, EXPERIMENT, LOOKS)


def ours(metrics: dict[tuple[str, str], Path], name: str) -> dict[str, _read.Metric]:
    """A measure of all methods that were run."""
    return {variant: _read.read(path, name) for (_, variant), path in metrics.items() if variant != RETRAINED}


def relative(metrics: dict[tuple[str, str], Path]) -> dict[str, _read.Metric]:
    """Test accuracy minus that of the retrained network of the same seed; empty without that one."""
    whole = (
        _read.read(metrics[EXPERIMENT, RETRAINED], "test_accuracy")
        if (EXPERIMENT, RETRAINED) in metrics
        else None
    )
    found = {}
    for variant, metric in ours(metrics, "test_accuracy").items() if whole else ():
        seeds = min(metric.seeds, whole.seeds)  # both have the scale's first seeds
        found[variant] = replace(metric, values=np.asarray(metric.values[:seeds] - whole.values[:seeds]))
    return found


def draw(
    found: dict[str, _read.Metric], theirs: Published, figure_name: str, title: str, label: str
) -> Figure:
    """One panel over the number of classes."""
    figure, ((axis,),) = _style.panels(1, 1, width=8.5, height=5.0)
    colours = {variant: colour for variant, (colour, _) in LOOKS.items()}
    _overlay.panel(axis, colours, found, theirs.series(figure_name), error=True)
    axis.set(xlabel="classes", ylabel=label, title=title)
    handles = [_style.swatch(colour, name) for colour, name in LOOKS.values()]
    figure.legend(handles=[*handles, *_overlay.kinds(error=True)], loc="outside lower center", ncols=4)
    _overlay.heading(figure, {metric.seeds for metric in found.values()})
    return figure

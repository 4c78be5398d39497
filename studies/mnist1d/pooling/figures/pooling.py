"""Pooling benchmark on MNIST-1D: test accuracy by step at three sizes, and at the end by size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

from perennial.claims import curves
from perennial.figures import _overlay, _read, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXPERIMENT = Path(__file__).parents[1].name
CURVES = curves.beside(__file__, "pooling")
TITLE = "MNIST-1D: pooling"
CAPTION = (
    "Test accuracy of two convolutions with kinds of pooling. By step: mean over seeds, smoothed by a Gaussian "
    "of one point as in the publication. At step 6000 by the number of training examples: mean over seeds with 95 % "
    "intervals, dots: published, one seed."
)
LOOKS = {
    "no_pool": (_style.GREY, "none"),
    "stride_2": (_style.PINK, "stride 2"),
    "max": (_style.BLUE, "maximum"),
    "average": (_style.ORANGE, "average"),
    "l2": (_style.GREEN, "L2"),
}
SIZES = (1000, 5000, 50000)


def needs(study) -> list[tuple[str, str]]:
    """Every active model and size."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three sizes by step, and all of them at the end."""
    figure, axes = _style.panels(2, 2, height=3.4)
    found = {_parts(variant): _read.read(path, "test_accuracy") for (_, variant), path in metrics.items()}
    for axis, size in zip(axes.flat, SIZES, strict=False):
        for name, (colour, _) in LOOKS.items():
            if (name, size) in found:
                metric = found[name, size]
                axis.plot(metric.x, gaussian_filter1d(metric.mean, 1), color=colour, linewidth=_style.LINE)
        axis.set(title=f"{size:,} training examples", xlabel="step")
        _overlay.percent(axis)
    _ends(axes[1, 1], found)
    handles = [_style.swatch(*look) for look in LOOKS.values()]
    figure.legend(handles=[*handles, *_overlay.kinds()[1:]], loc="outside lower center", ncols=4)
    counts = {metric.seeds for metric in found.values()}
    _style.heading(figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, one seed.")
    return figure


def _parts(variant: str) -> tuple[str, int]:
    """`max_1000` -> max, 1000."""
    name, _, size = variant.rpartition("_")
    return name, int(size)


def _ends(axis: Axes, found: dict[tuple[str, int], _read.Metric]) -> None:
    for name, (colour, _) in LOOKS.items():
        own = {size: metric for (model, size), metric in sorted(found.items()) if model == name}
        if own:
            mean = np.array([metric.mean[-1] for metric in own.values()])
            low, high = (np.array([metric.band[end][-1] for metric in own.values()]) for end in (0, 1))
            axis.errorbar(list(own), mean, [mean - low, high - mean], color=colour, capsize=2)
        line = CURVES.curve("pooling", name)
        axis.plot(line.x, line.mean, "o", color=_style.darker(colour), markersize=4.5, zorder=6)
    axis.set(title="At step 6000", xlabel="training examples", xscale="log")
    _overlay.percent(axis)

"""Deep double descent on MNIST-1D: test and training error by width, three panels as published."""

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
CURVES = curves.beside(__file__, "double_descent_*")
TITLE = "MNIST-1D: deep double descent"
CAPTION = (
    "Error after 500 passes over 4,000 examples by the width of the network, on a logarithmic axis. Lines: ours, mean "
    "over seeds, with 95 % intervals; dots: published, one run. Grey: the share of labels that were drawn anew."
)
PANELS = (
    (
        "clean_mlp",
        "Fully connected, clean labels",
        "double_descent_mlp",
        "clean",
        "units of each hidden layer",
    ),
    (
        "noisy_mlp",
        "Fully connected, noisy labels",
        "double_descent_mlp",
        "noisy",
        "units of each hidden layer",
    ),
    ("noisy_cnn", "Convolutional, noisy labels", "double_descent_cnn", "noisy", "channels"),
)
LOOKS = {"test": (_style.RED, "test error"), "train": (_style.BLUE, "training error")}
NOISE = 15


def needs(study) -> list[tuple[str, str]]:
    """Every active width."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Three panels."""
    figure, axes = _style.panels(1, 3, width=13, height=4, sharey=True)
    paths = {variant: path for (_, variant), path in metrics.items()}
    for axis, (start, title, curve, labels, what) in zip(axes[0], PANELS, strict=True):
        own = {_width(name): path for name, path in paths.items() if name.startswith(start)}
        for kind, (colour, _) in LOOKS.items():
            _line(axis, {width: _read.read(own[width], f"{kind}_accuracy") for width in sorted(own)}, colour)
            line = CURVES.curve(curve, f"{labels}_{kind}")
            axis.plot(line.x, line.mean, "o", color=_style.darker(colour), markersize=4.5, zorder=6)
        axis.axhline(NOISE, color=_style.GRID, linewidth=1.5, zorder=0)
        axis.set(title=title, xlabel=what, xscale="log", ylim=(-1, 75))
        _overlay.percent(axis)
        if not own:
            _style.note(axis, _overlay.NOT_RUN)
    handles = [_style.swatch(*look) for look in LOOKS.values()]
    figure.legend(handles=[*handles, *_overlay.kinds()[1:]], loc="outside lower center", ncols=4)
    counts = {_read.read(path, "test_accuracy").seeds for path in paths.values()}
    _style.heading(figure, f"Lines: ours, {_style.seeds_text(counts)}. Dots: published, one run.")
    return figure


def _width(variant: str) -> int:
    """`noisy_mlp_47x47` -> 47."""
    return int(variant.rpartition("_")[2].partition("x")[0])


def _line(axis: Axes, found: dict[int, _read.Metric], colour: str) -> None:
    """Errors at the end by width, with intervals."""
    if not found:
        return
    mean = np.array([100 - metric.mean[-1] for metric in found.values()])
    low, high = (np.array([100 - metric.band[end][-1] for metric in found.values()]) for end in (1, 0))
    axis.plot(list(found), mean, color=colour, linewidth=_style.LINE)
    axis.fill_between(list(found), low, high, color=colour, alpha=0.22, linewidth=0)

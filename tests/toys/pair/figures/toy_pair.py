"""The toy `pair`: one line for each variant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _methods, _read, _style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "pair"
TITLE = "Toy: pair"
CAPTION = "A toy. Lines: mean over seeds; bands: 95 % interval."


def needs(study) -> list[tuple[str, str]]:
    """Every active variant."""
    if EXPERIMENT not in study.experiments():
        return []
    return [(EXPERIMENT, variant) for variant in study.variants(EXPERIMENT)]


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    figure, axes = _style.panels(1, 1, width=6)
    paths = {variant: path for (_, variant), path in metrics.items()}
    looks = _methods.own_looks(paths)
    for variant, (colour, _) in looks.items():
        _style.curve(axes[0, 0], _read.read(paths[variant], "error_of_each").over_layers(), colour)
    axes[0, 0].set(xlabel="update", ylabel="squared error")
    figure.legend(
        handles=[_style.swatch(colour, label) for colour, label in looks.values()], loc="outside lower center"
    )
    return figure

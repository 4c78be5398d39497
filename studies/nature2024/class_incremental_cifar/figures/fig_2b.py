"""Fig. 2b: accuracy beside a retrained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves
from perennial.figures import _overlay

from . import _increments as increments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "fig_2b"
CURVES = curves.beside(__file__, NAME)
TITLE = "Fig. 2b: accuracy beside a retrained network"
CAPTION = (
    "Test accuracy, the best of an increment's passes, minus that of a network trained anew on the same classes."
    + increments.CAPTION
)


def needs(study) -> list[tuple[str, str]]:
    """The methods and the retrained network."""
    return _overlay.active(study, increments.EXPERIMENT, [*increments.LOOKS, increments.RETRAINED])


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return increments.draw(
        increments.relative(metrics),
        CURVES,
        NAME,
        "Loss of plasticity",
        "test accuracy minus retrained, points",
    )

"""Fig. 2d: stable rank of the representation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves

from . import _increments as increments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "fig_2d"
CURVES = curves.beside(__file__, NAME)
TITLE = "Fig. 2d: stable rank of the representation"
CAPTION = (
    "Stable rank of the pooled features of the stored network on images of the classes that join next."
    + increments.CAPTION
)


def needs(study) -> list[tuple[str, str]]:
    """The methods."""
    return increments.needs(study)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return increments.draw(
        increments.ours(metrics, "stable_rank_of_last"), CURVES, NAME, "Stable rank", "percent of the units"
    )

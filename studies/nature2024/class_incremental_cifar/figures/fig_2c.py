"""Fig. 2c: dormant units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves

from . import _increments as increments

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "fig_2c"
CURVES = curves.beside(__file__, NAME)
TITLE = "Fig. 2c: dormant units"
CAPTION = (
    "Units of the stored network that are active in less than 1 % of places of images of the classes that join next."
    + increments.CAPTION
)


def needs(study) -> list[tuple[str, str]]:
    """The methods."""
    return increments.needs(study)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return increments.draw(
        increments.ours(metrics, "dormant_units"), CURVES, NAME, "Dormant units", "percent of all units"
    )

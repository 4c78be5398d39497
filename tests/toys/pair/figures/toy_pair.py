"""The toy `pair`: one line for each variant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.figures import _methods, _overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "pair"
TITLE = "Toy: pair"
CAPTION = "A toy. Lines: mean over seeds; bands: 95 % interval."


def needs(study) -> list[tuple[str, str]]:
    """Every active variant."""
    return _overlay.active(study, EXPERIMENT)


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return _methods.one_panel(metrics, "error_of_each", xlabel="update", ylabel="squared error")

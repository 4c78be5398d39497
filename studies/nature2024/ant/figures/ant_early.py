"""The first two million steps of Fig. 4a-d."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perennial.claims import curves

from . import _ppo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = curves.beside(__file__, "fig_4*")
TITLE = "Fig. 4, the first two million steps"
CAPTION = "Rank, dormant units and weights of the policy over 1,000 steps. Lines: seeds' mean, with its 95 % interval."


def needs(study) -> list[tuple[str, str]]:
    """The active ones of what is shown."""
    return _ppo.needs(study, "ant_early")


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Four panels, ours over the published values."""
    return _ppo.draw(metrics, [_ppo.RETURN, *_ppo.INSIDE], _ppo.published(CURVES), until=2.1e6)

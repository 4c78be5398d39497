"""Fig. 3c: return on the Slippery Ant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import _ppo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Fig. 3c: an ant on ground of changing friction"
CAPTION = "Friction changes every 2 million steps. Bins of 100,000 steps. Lines: seeds' mean, with its 95 % interval."


def needs(study) -> list[tuple[str, str]]:
    """The active ones of what is shown."""
    return _ppo.needs(study, "slippery_ant")


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return _ppo.draw(metrics, [_ppo.RETURN])

"""Extended Data Fig. 5a, left: return on the Hopper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import _ppo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Extended Data Fig. 5a: Hopper"
CAPTION = (
    "Return of an episode on the Hopper, whose friction never changes, by number of environment steps. "
    "Means over 500,000 steps. Lines: seeds' mean, with its 95 % interval."
)


def needs(study) -> list[tuple[str, str]]:
    """The active ones of what is shown."""
    return _ppo.needs(study, "hopper")


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return _ppo.draw(metrics, [_ppo.RETURN])

"""Ours: PPO on the pendulum."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import _ppo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "PPO on the pendulum"
CAPTION = (
    "Return of an episode on the Pendulum, by number of environment steps. "
    "Ours, not published: rewards are scaled by a tenth. Lines: seeds' mean, with its 95 % interval."
)


def needs(study) -> list[tuple[str, str]]:
    """The active ones of what is shown."""
    return _ppo.needs(study, "pendulum")


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """Four panels."""
    return _ppo.draw(metrics, [_ppo.RETURN, *_ppo.INSIDE])

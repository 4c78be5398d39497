"""Extended Data Fig. 5c: the largest changes of the policy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import _ppo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Extended Data Fig. 5c: the largest change of the policy by a rollout"
CAPTION = (
    "Largest change of a weight of the policy within a rollout, by number of environment steps. "
    "The largest of 500 rollouts each. Lines: seeds' mean, with its 95 % interval."
)


def needs(study) -> list[tuple[str, str]]:
    """The active ones of what is shown."""
    return _ppo.needs(study, "ant", ("std", "ns"))


def draw(metrics: dict[tuple[str, str], Path]) -> Figure:
    """One panel."""
    return _ppo.draw(metrics, [("weight_change", "Change of the weights")])

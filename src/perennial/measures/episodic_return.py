"""Episodic return: the sum of the rewards of an episode."""

from __future__ import annotations

import numpy as np

KIND, AXES = "episodes", ()
UNITS = "reward"
DESCRIPTION = "sum of the rewards of an episode, at the step at which it ended"
SOURCE = "Nature 2024, Figs. 3c and 4a"


def measure(rewards: np.ndarray) -> float:
    """Rewards of an episode [step] -> their sum."""
    return float(rewards.sum())

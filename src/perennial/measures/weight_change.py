"""Weight change: how far the updates of one rollout moved the policy; the largest of each block of rollouts."""

from __future__ import annotations

import numpy as np

KIND, AXES = "changes", ()
UNITS = "1"
DESCRIPTION = (
    "sum over all weight matrices of the absolute change by a rollout's updates; the largest of each block"
)
SOURCE = "Nature 2024, Extended Data Fig. 5c"


def measure(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> np.ndarray:
    """One number, from a network's parameters before and after the updates."""
    names = [name for name in before if name.startswith("weight_")]
    return np.array(sum(np.abs(after[name] - before[name]).sum(dtype=np.float64) for name in names))

"""Online accuracy of a classification: each example is predicted before it is learnt."""

from __future__ import annotations

import numpy as np

KIND, AXES = "performance", ()
UNITS = "percent"
DESCRIPTION = "share of the task's examples classified correctly before the update on them"
SOURCE = "Nature 2024, Extended Data Fig. 3 and 4"


def measure(performance: np.ndarray) -> np.ndarray:
    """Percent right over the steps of a task: [r, steps] of 0 and 1 -> [r]."""
    return 100 * performance.mean(axis=1)

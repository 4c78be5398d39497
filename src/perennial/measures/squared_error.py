"""Squared error of a regression, before each update."""

from __future__ import annotations

import numpy as np

KIND, AXES = "performance", ()
UNITS = "squared target units"
DESCRIPTION = "squared error before each update, averaged over a bin of tasks"
SOURCE = "Nature 2024, Extended Data Fig. 2b"


def measure(performance: np.ndarray) -> np.ndarray:
    """Mean over the steps of a task: [r, steps] -> [r]."""
    return performance.mean(axis=1)

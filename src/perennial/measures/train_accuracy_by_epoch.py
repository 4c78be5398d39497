"""Training accuracy of a classification while a task is being learnt."""

from __future__ import annotations

import numpy as np

KIND, AXES = "passes", ("epoch",)
UNITS = "percent"
DESCRIPTION = "share of the examples classified correctly before the update on their mini-batch, in each pass"
SOURCE = "the study's code records it; no figure shows it"


def measure(performance: np.ndarray) -> np.ndarray:
    """Percent right of each pass: [r, epoch, step] -> [r, epoch]."""
    return 100 * performance.mean(axis=2)

"""Test accuracy of a classification, once a task is learnt."""

from __future__ import annotations

import numpy as np

KIND, AXES = "test", ()
UNITS = "percent"
DESCRIPTION = "share of the task's test examples classified correctly after the last pass over the task"
SOURCE = "Nature 2024, Fig. 1"


def measure(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Percent right: outputs [b, o] and labels [b] of one run -> a number."""
    return 100 * float((outputs.argmax(axis=1) == targets).mean())

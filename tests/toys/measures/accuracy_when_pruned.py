"""Accuracy of a pruned network at the end of a round."""

from __future__ import annotations

import numpy as np

KIND, AXES = "rounds", ()
UNITS = "percent"
DESCRIPTION = "share of the examples classified right at the end of a round"
SOURCE = "toy"


def measure(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Outputs [b, o] and labels [b] -> percent right."""
    return 100 * float((outputs.argmax(axis=1) == labels).mean())

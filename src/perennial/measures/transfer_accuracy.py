"""Test accuracy of a ticket on a second data set, one series for each condition and ticket."""

from __future__ import annotations

import numpy as np

KIND, AXES = "transfer", ()
UNITS = "percent"
DESCRIPTION = "share of the second data set's test examples classified correctly after the update"
SOURCE = "Greydanus and Kobak 2024, lottery tickets, panels c to f"


def measure(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Percent right: outputs [b, o] and labels [b] of one run -> a number."""
    return 100 * float((outputs.argmax(axis=1) == targets).mean())

"""Training accuracy of a classification, on all training examples."""

from __future__ import annotations

import numpy as np

KIND, AXES = "train", ()
UNITS = "percent"
DESCRIPTION = "share of the training examples classified correctly after the update"
SOURCE = "Greydanus and Kobak 2024, model benchmark"


def measure(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Percent right: outputs [b, o] and labels [b] of one run -> a number."""
    return 100 * float((outputs.argmax(axis=1) == targets).mean())

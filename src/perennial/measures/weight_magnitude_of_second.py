"""Weight magnitude of the second layer: the mean absolute weight between the two hidden layers of a policy."""

from __future__ import annotations

import numpy as np

KIND, AXES = "internals", ()
UNITS = "1"
DESCRIPTION = "mean absolute value of the second weight matrix"
SOURCE = "Nature 2024, Fig. 4d"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """One number."""
    return np.array(np.abs(weights["weight_1"]).mean(dtype=np.float64))

"""Weight magnitude: the mean absolute weight."""

from __future__ import annotations

import numpy as np

KIND, AXES = "internals", ()
UNITS = "1"
DESCRIPTION = "mean absolute value over all weight matrices (biases excluded), before the task is learnt"
SOURCE = "Nature 2024, Extended Data Fig. 3c (there averaged over the task)"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """One number: the sum of |w| over the number of weights."""
    matrices = [w for name, w in weights.items() if name.startswith("weight_")]
    return np.array(sum(np.abs(w).sum(dtype=np.float64) for w in matrices) / sum(w.size for w in matrices))

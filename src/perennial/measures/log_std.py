"""The logarithm of a Gaussian policy's standard deviation: how much the agent explores."""

from __future__ import annotations

import numpy as np

KIND, AXES = "policy", ()
UNITS = "1"
DESCRIPTION = "mean over the actions of the logarithm of the policy's standard deviation"
SOURCE = "ours"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """One number."""
    return np.array(weights["log_std"].mean(dtype=np.float64))

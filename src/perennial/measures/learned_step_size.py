"""The step size that is learned through training."""

from __future__ import annotations

import numpy as np

KIND, AXES = "outer", ()
UNITS = "step size"
DESCRIPTION = "step size after the outer update"
SOURCE = "Greydanus and Kobak 2024, metalearning a learning rate"


def measure(trace: dict[str, np.ndarray]) -> float:
    """What an outer update met -> the step size after it."""
    return float(trace["step_size"])

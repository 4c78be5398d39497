"""Numbers that a network learns: weights and biases."""

from __future__ import annotations

import numpy as np

KIND, AXES = "weights", ()
UNITS = "numbers"
DESCRIPTION = "weights and biases of the network"
SOURCE = "Greydanus and Kobak 2024, model benchmark"


def measure(weights: dict[str, np.ndarray]) -> float:
    """Arrays of one run -> how many numbers they hold."""
    return float(sum(array.size for array in weights.values()))

"""Stable rank of each hidden layer's activations, in the Nature study's sense."""

from __future__ import annotations

import numpy as np

from perennial.measures import _spectrum

KIND, AXES = "internals", ("layer",)
UNITS = "dimensions"
DESCRIPTION = "number of largest singular values that hold more than 99 % of their sum, per layer"
SOURCE = "Nature 2024, Fig. 2d"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """[layer]; features is a list of [b, h]."""
    return np.array([_spectrum.stable_rank(_spectrum.singular_values(h)) for h in features], np.float64)

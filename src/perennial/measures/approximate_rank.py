"""Approximate rank of each hidden layer's activations."""

from __future__ import annotations

import numpy as np

from perennial.measures import _spectrum

KIND, AXES = "internals", ("layer",)
UNITS = "dimensions"
DESCRIPTION = (
    "number of largest singular values whose squares hold at least 99 % of the sum of all squares, per layer"
)
SOURCE = "Yang et al. 2019; logged by the Nature study's code, no figure shows it"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """[layer]; features is a list of [b, h]."""
    return np.array([_spectrum.approximate_rank(_spectrum.singular_values(h)) for h in features], np.float64)

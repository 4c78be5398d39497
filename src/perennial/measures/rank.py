"""Rank of each hidden layer's activations."""

from __future__ import annotations

import numpy as np

from perennial.measures import _spectrum

KIND, AXES = "internals", ("layer",)
UNITS = "dimensions"
DESCRIPTION = "number of singular values of the activations that are not 0, per layer"
SOURCE = "the Nature study's code, which logs it; no figure shows it"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """[layer]; features is a list of [b, h]."""
    return np.array([_spectrum.rank(_spectrum.singular_values(h)) for h in features], np.float64)

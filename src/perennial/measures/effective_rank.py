"""Effective rank of each hidden layer's activations."""

from __future__ import annotations

import numpy as np

from perennial.measures import _spectrum

KIND, AXES = "internals", ("layer",)
UNITS = "dimensions"
DESCRIPTION = "exponential of the entropy of the normalised singular values of the activations, per layer"
SOURCE = "Roy and Vetterli 2007; Nature 2024, Extended Data Fig. 3c"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """[layer]; features is a list of [b, h]."""
    return np.array([_spectrum.effective_rank(_spectrum.singular_values(h)) for h in features])

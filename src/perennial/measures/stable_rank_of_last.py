"""Stable rank of the last hidden layer's activations, in the Nature study's sense, as a share of its units."""

from __future__ import annotations

import numpy as np

from perennial.measures import _spectrum

KIND, AXES = "internals", ()
UNITS = "percent"
DESCRIPTION = (
    "largest singular values that hold more than 99 % of their sum, in percent of the last layer's units"
)
SOURCE = "Nature 2024, Fig. 2d"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """Percent; features is a list of [b, h]."""
    last = features[-1]
    rank = _spectrum.stable_rank(_spectrum.singular_values(last))
    return np.array(100 * rank / last.shape[1])

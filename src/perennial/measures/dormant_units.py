"""Dormant units: hidden units that are hardly ever active."""

from __future__ import annotations

import numpy as np

KIND, AXES = "internals", ()
UNITS = "percent"
DESCRIPTION = (
    "hidden units of all layers whose output is not 0 in less than 1 % of all probe examples and places"
)
SOURCE = "Nature 2024, Fig. 2c"
SHARE = 0.01


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """Percent of the units of all layers together; features is a list of [b, h]."""
    dormant = [(h != 0).mean(axis=0) < SHARE for h in features]
    return np.array(100 * np.concatenate(dormant).mean())

"""Dormant units of a ReLU policy: hidden units that are active in at most one step of a hundred."""

from __future__ import annotations

import numpy as np

KIND, AXES = "internals", ()
UNITS = "percent"
DESCRIPTION = "hidden units of all layers whose output is above 0 in at most 1 % of the steps of a window"
SOURCE = "Nature 2024, Fig. 4c"
SHARE = 0.01


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """Percent of the units of all layers together; features is a list of [b, h]."""
    seldom = [(h > 0).mean(axis=0) <= SHARE for h in features]
    return np.array(100 * np.concatenate(seldom).mean())

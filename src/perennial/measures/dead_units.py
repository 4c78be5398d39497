"""Dead units: hidden units that are silent on every probe example."""

from __future__ import annotations

import numpy as np

KIND, AXES = "internals", ("layer",)
UNITS = "percent"
DESCRIPTION = "hidden units whose output is exactly 0 on all probe examples of the coming task, per layer"
SOURCE = "Nature 2024, Extended Data Fig. 3c"


def measure(weights: dict[str, np.ndarray], features: list[np.ndarray]) -> np.ndarray:
    """[layer] percent; features is a list of [b, h]. A convolution's unit is a channel, silent at every place."""
    return np.array([100 * (h == 0).all(axis=0).mean() for h in features])

"""The loss that learning through training makes small: the mean over an inner training."""

from __future__ import annotations

import numpy as np

KIND, AXES = "outer", ()
UNITS = "nats"
DESCRIPTION = "mean of the losses before each update of an inner training"
SOURCE = "Greydanus and Kobak 2024, metalearning a learning rate"


def measure(trace: dict[str, np.ndarray]) -> float:
    """What an outer update met, `losses` [update] -> their mean."""
    return float(trace["losses"].astype(np.float64).mean())

"""Where an inner training ends."""

from __future__ import annotations

import numpy as np

KIND, AXES = "outer", ()
UNITS = "nats"
DESCRIPTION = "loss before the last update of an inner training"
SOURCE = "Greydanus and Kobak 2024, metalearning a learning rate"


def measure(trace: dict[str, np.ndarray]) -> float:
    """What an outer update met, `losses` [update] -> the last of them."""
    return float(trace["losses"][-1])

"""Cross-entropy of a classification on the test examples."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

KIND, AXES = "test", ()
UNITS = "nats"
DESCRIPTION = "mean of -log softmax at the label over the test examples"
SOURCE = "Greydanus and Kobak 2024, lottery tickets"


def measure(outputs: np.ndarray, targets: np.ndarray) -> float:
    """Outputs [b, o] and labels [b] of one run -> a number, computed in double precision."""
    z = outputs.astype(np.float64)
    return float((logsumexp(z, axis=1) - z[np.arange(len(z)), targets]).mean())

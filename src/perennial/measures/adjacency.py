"""How often a ticket keeps weights of neighbouring inputs, one series for each ticket."""

from __future__ import annotations

import numpy as np

KIND, AXES = "masks", ()
UNITS = "runs an input"
DESCRIPTION = (
    "runs of so many kept neighbouring inputs, divided by the inputs, mean over the units of the first layer"
)
SOURCE = "Greydanus and Kobak 2024, lottery tickets, panel g"


def measure(kept: np.ndarray, neighbours: int, last: np.ndarray) -> float:
    """Masks of the first layer [h, i] -> a number.

    Args:
        neighbours: inputs in a row.
        last: mask in which the last of them is looked up: the same, but for the published mistake at four.
    """
    inputs = kept.shape[1]
    starts = inputs - neighbours + 1
    runs = np.ones((len(kept), starts), bool)
    for k in range(neighbours):
        mask = last if k == neighbours - 1 else kept
        runs &= mask[:, k : k + starts]
    return float(runs.sum(axis=1).mean() / inputs)

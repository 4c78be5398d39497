"""Squared error of each of two networks on examples that neither learns from."""

from __future__ import annotations

import numpy as np

KIND, AXES = "networks", ("network",)
UNITS = "squared target units"
DESCRIPTION = "mean squared error of each network on 64 fixed examples"
SOURCE = "toy"


def measure(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Outputs and targets [b, network] -> [network]."""
    return ((outputs - targets) ** 2).mean(axis=0)

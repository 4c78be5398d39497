"""Backpropagation: one pass over weights, gradients and velocities."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.learning.algorithms import Clock
from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.pooled.arrays import Arrays
from perennial.learning.engines.pooled.layout import Layout


def unsupported(settings: Settings) -> str | None:
    """All settings have a fast path."""
    return None


class Rule:
    """v <- momentum v + g + weight_decay w, w <- w - step_size v.

    Args:
        settings: of backpropagation, or of an algorithm that has all of its settings.
        layout: of the network.
        arrays: of the run.
    """

    def __init__(self, settings: Any, layout: Layout, arrays: Arrays) -> None:
        number, self.arrays = np.dtype(layout.dtype).type, arrays
        self.rates = [
            number(rate)
            for rate in (settings.step_size, settings.momentum, getattr(settings, "weight_decay", 0))
        ]
        self.descend = specialise(descend, "pooled_descend")
        # Without momentum the gradient itself is the change, and is forgotten.
        self.change = arrays.gradients if arrays.velocity is None else arrays.velocity

    def step(self, features: list[np.ndarray], clock: Clock) -> None:
        """One update of all weights.

        Args:
            features: activations of the hidden layers, each [b, p, h].
            clock: of this run alone.
        """
        keeps = self.arrays.velocity is not None
        self.descend(self.arrays.weights, self.arrays.gradients, self.change, *self.rates, keeps)


def descend(weights, gradients, change, step_size, momentum, weight_decay, keeps):
    """One step of all weights; `change` is the velocity, or the gradients again where none is kept."""
    for k in range(weights.shape[0]):
        g = gradients[k] + weight_decay * weights[k]
        v = momentum * change[k] + g if keeps else g
        if keeps:
            change[k] = v
        weights[k] -= step_size * v

"""Shrink and perturb: the step of L2 regularisation, then noise, drawn in one piece."""

from __future__ import annotations

import numpy as np

from perennial import streams
from perennial.learning.algorithms import Clock
from perennial.learning.algorithms.shrink_and_perturb import Settings
from perennial.learning.engines import draws
from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.pooled import l2
from perennial.learning.engines.pooled.arrays import Arrays
from perennial.learning.engines.pooled.l2 import unsupported
from perennial.learning.engines.pooled.layout import Layout

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd",)}


class Rule:
    """See `backprop.Rule`."""

    def __init__(self, settings: Settings, layout: Layout, arrays: Arrays) -> None:
        self.descent, self.weights = l2.Rule(settings, layout, arrays), arrays.weights
        self.std = np.dtype(layout.dtype).type(settings.noise_std)
        self.fill = {"gaussian": draws.fill_normals, "sum4": draws.fill_sum4}[settings.noise]
        whole = 2 * streams.GROUP
        self.noise = np.zeros(-(-layout.size // whole) * whole, np.float32)
        self.order, self.add = layout.definition_order, specialise(add, "pooled_add_noise")

    def step(self, features: list[np.ndarray], clock: Clock) -> None:
        """w <- w - step_size (g + weight_decay w) + noise_std n."""
        self.descent.step(features, clock)
        if self.std > 0:
            self.fill(self.noise, streams.NOISE, clock.seeds[0], clock.task, clock.step, 0)
            self.add(self.weights, self.noise, self.order, self.std)


def add(weights, noise, order, std):
    """Noise to every weight, in the order in which the definition draws it."""
    for k in range(weights.shape[0]):
        weights[k] += std * weights.dtype.type(noise[order[k]])

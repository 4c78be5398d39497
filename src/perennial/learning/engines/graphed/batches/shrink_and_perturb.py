"""Shrink and perturb: the step of L2 regularisation, then one long draw of noise, which lies as the weights do."""

from __future__ import annotations

from typing import Any

from perennial import streams
from perennial.learning.algorithms.shrink_and_perturb import Settings
from perennial.learning.engines.graphed import draws
from perennial.learning.engines.graphed.batches import l2
from perennial.learning.engines.graphed.batches.step import Stack

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd",)}


def unsupported(settings: Settings) -> str | None:
    """Nothing but unknown choices."""
    return None


class Rule:
    """The update of L2, then w <- w + noise_std n, n fresh for each weight."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.descent = stack, l2.Rule(stack)
        self.std, self.noisy = stack.rate("noise_std", 2), stack.any("noise_std")
        kind = {"gaussian": "normals", "sum4": "sum4"}[stack.hypers[0].noise]
        self.draw = draws.on(stack.layout.device, kind)

    def step(self, features: list[Any]) -> None:
        """One update of all weights."""
        self.descent.step(features)
        if self.noisy:
            stack = self.stack
            noise = self.draw(streams.NOISE, stack.clock, 0, stack.size, stack.layout.device)  # [r, size]
            stack.weights[:, : stack.size].addcmul_(noise.to(stack.layout.dtype), self.std)

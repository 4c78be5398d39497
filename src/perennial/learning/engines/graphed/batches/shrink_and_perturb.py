"""Shrink and perturb: the step of L2 regularisation, then the definition's own noise."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms.shrink_and_perturb import Settings, perturb
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

    def step(self, features: dict[str, Any]) -> None:
        """One update of all weights."""
        self.descent.step(features)
        if self.stack.hyper.noise_std > 0:
            weights = self.stack.real["weights"]
            perturb(self.stack.hyper, weights, list(weights), self.stack.clock)

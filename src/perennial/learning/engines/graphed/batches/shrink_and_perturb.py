"""Shrink and perturb: the step of L2 regularisation, then the definition's own noise."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms.shrink_and_perturb import perturb
from perennial.learning.engines.graphed.batches import l2
from perennial.learning.engines.graphed.batches.l2 import unsupported

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd",)}


class Rule(l2.Rule):
    """The update of L2, then w <- w + noise_std n, n fresh for each weight."""

    def step(self, features: dict[str, Any]) -> None:
        """One update of all weights."""
        super().step(features)
        if self.stack.hyper.noise_std > 0:
            weights = self.stack.real["weights"]
            perturb(self.stack.hyper, weights, list(weights), self.stack.clock)

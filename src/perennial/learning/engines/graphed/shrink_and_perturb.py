"""Shrink and perturb: the descent with decay, then the definition's own noise."""

from __future__ import annotations

from perennial.learning.algorithms.shrink_and_perturb import descent, perturb
from perennial.learning.engines import fast_path
from perennial.learning.engines.graphed import step
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd", "adam")}


class Rule(step.Rule):
    """The update of L2 or of Adam, then w <- w + noise_std n, n fresh for each weight."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        name, own = descent(stack.hyper)
        # By name: Adam's file concerns only those who use it.
        self.descent = fast_path("graphed", name).Rule(stack.under(own))

    def update(self, layer: int) -> None:
        """The descent of one layer."""
        self.descent.update(layer)

    def end(self) -> None:
        """Close the descent; perturb."""
        self.descent.end()
        if self.stack.hyper.noise_std > 0:
            weights = self.stack.real["weights"]
            perturb(self.stack.hyper, weights, list(weights), self.stack.clock)

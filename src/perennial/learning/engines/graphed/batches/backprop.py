"""Backpropagation: one pass over weights, gradients and velocities of all runs."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.graphed.batches.step import Stack


def unsupported(settings: Settings) -> str | None:
    """All settings have a fast path."""
    return None


class Rule:
    """v <- momentum v + g, w <- w - step_size v; g with coupled decay, where settings have one.

    Args:
        stack: under settings of backpropagation, or of an algorithm that has all of its settings.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack, hyper = stack, stack.hyper
        self.momentum, self.step_size = hyper.momentum, hyper.step_size
        self.decay = getattr(hyper, "weight_decay", 0)

    def step(self, features: dict[str, Any]) -> None:
        """One update of all weights.

        Args:
            features: activations of the hidden layers by name, each [r, b, h p].
        """
        stack = self.stack
        g = stack.gradients.whole  # [r, size]
        if self.decay:
            g.add_(stack.weights, alpha=self.decay)
        if stack.velocity is not None:
            g = stack.velocity.mul_(self.momentum).add_(g)
        stack.weights.sub_(g, alpha=self.step_size)

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
        if stack.velocity is None and stack.any("momentum"):
            raise ValueError("runs of one stack must agree in having momentum, or the first one must have it")
        self.stack, self.momentum = stack, stack.rate("momentum", 2)  # [r, 1]
        self.change = -stack.rate("step_size", 2)
        decays = hasattr(stack.hypers[0], "weight_decay") and stack.any("weight_decay")
        self.decay = stack.rate("weight_decay", 2) if decays else None

    def step(self, features: list[Any]) -> None:
        """One update of all weights.

        Args:
            features: activations of the hidden layers, each [r, b, h p].
        """
        stack = self.stack
        g = stack.gradients.whole  # [r, size]
        if self.decay is not None:
            g.addcmul_(stack.weights, self.decay)
        if stack.velocity is not None:
            g = stack.velocity.mul_(self.momentum).add_(g)
        stack.weights.addcmul_(g, self.change)

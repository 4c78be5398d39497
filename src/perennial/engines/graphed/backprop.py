"""Backpropagation: the outer product goes straight into the weights."""

from __future__ import annotations

from perennial.algorithms.backprop import Settings
from perennial.engines.graphed.step import Stack


def unsupported(settings: Settings) -> str | None:
    """All settings have a fast path."""
    return None


class Rule:
    """w <- w - step_size h' delta."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.step_size = stack, stack.rate("step_size")

    def update(self, layer: int) -> None:
        """One layer."""
        stack = self.stack
        change = stack.delta[layer] * -self.step_size  # [r, 1, o]
        stack.w[layer].addcmul_(stack.h[layer].transpose(1, 2), change)
        stack.b[layer].add_(change[:, 0])

    def end(self) -> None:
        """Nothing more to do."""

"""Backpropagation: the outer product goes straight into the weights."""

from __future__ import annotations

from perennial.learning.algorithms.backprop import Settings
from perennial.learning.engines.graphed import step
from perennial.learning.engines.graphed.step import Stack


def unsupported(settings: Settings) -> str | None:
    """All but momentum."""
    return "momentum has no fast path" if getattr(settings, "momentum", 0) else None


class Rule(step.Rule):
    """w <- w - step_size h' delta."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.step_size = stack.hyper.step_size

    def update(self, layer: int) -> None:
        """One layer."""
        stack = self.stack
        change = stack.delta[layer] * -self.step_size  # [r, 1, o]
        stack.w[layer].addcmul_(stack.h[layer].transpose(1, 2), change)
        stack.b[layer].add_(change[:, 0])

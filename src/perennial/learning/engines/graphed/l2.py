"""L2 regularisation: the weights decay, then the outer product is added."""

from __future__ import annotations

from perennial.learning.engines.graphed import backprop
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["Rule", "unsupported"]


class Rule(backprop.Rule):
    """w <- w - step_size (h' delta + weight_decay w)."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.lost = self.step_size * stack.hyper.weight_decay

    def update(self, layer: int) -> None:
        """One layer."""
        # Not (1 - lost) w: in single precision 1 - 3e-6 is wrong by 1 % of the decay.
        for w in (self.stack.w[layer], self.stack.b[layer]):
            w.sub_(w, alpha=self.lost)
        super().update(layer)

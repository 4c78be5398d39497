"""Adam: the definition's own step on stored gradients, padded like the weights."""

from __future__ import annotations

from perennial.learning.algorithms import adam
from perennial.learning.engines.graphed import gradients
from perennial.learning.engines.graphed.backprop import unsupported

__all__ = ["Rule", "unsupported"]


class Rule(gradients.Rule):
    """m, v <- moments of the gradient; w <- w - step_size m' / (sqrt(v') + epsilon), m' and v' corrected."""

    def update(self, layer: int) -> None:
        """Keep the gradient of one layer."""
        self.gradients_of(layer)

    def end(self) -> None:
        """One step of all weights: the pads' gradients and moments are zero, and so are their steps."""
        stack = self.stack
        adam.update(stack.hyper, stack.networks, stack.state, self.gradients, {}, stack.clock, 1.0)

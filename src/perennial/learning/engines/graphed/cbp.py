"""Continual backpropagation: the gradient step of the stack, then the definition's own test and renewal of units."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms import cbp
from perennial.learning.engines.graphed import backprop, gradients, l2, step
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {
    "utility": tuple(cbp.FACTORS),
    "count": ("eligible", "layer_width"),
    "utility_average": ("corrected",),
    "renewed_moments": ("zero",),
    "renewed_weights": ("layer",),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd", "adam"),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}


class Rule(step.Rule):
    """A gradient step; then all hidden layers are tested, and after that units are renewed."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        sgd: Any = l2.Rule if stack.hyper.weight_decay else backprop.Rule
        self.descent = (sgd if stack.hyper.optimiser == "sgd" else AgedAdam)(stack)
        widths = stack.network.sizes[1:-1]
        self.features = {
            layer.key: h[:, :, :width]  # [r, 1, h], no pads
            for layer, h, width in zip(stack.networks.hidden, stack.h[1:], widths, strict=True)
        }

    def update(self, layer: int) -> None:
        """The gradient step of one layer."""
        self.descent.update(layer)

    def end(self) -> None:
        """Test, then renew: utilities are those of the trained network."""
        stack = self.stack
        cbp.replace(stack.hyper, stack.networks, stack.real, self.features, stack.clock)


class AgedAdam(gradients.Rule):
    """Adam with an age for each weight: the definition's step, layer by layer, on padded arrays."""

    def update(self, layer: int) -> None:
        """One layer."""
        cbp.descend(self.stack.hyper, self.stack.state, self.gradients_of(layer), 1.0)

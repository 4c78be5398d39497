"""Continual backpropagation: the gradient step of the stack, then the definition's own test and renewal of units."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms import cbp
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.graphed import backprop, l2, step
from perennial.learning.engines.graphed.gradients import Gradients
from perennial.learning.engines.graphed.step import Stack

KNOWS = {
    "utility": tuple(cbp.FACTORS),
    "count": ("eligible", "layer_width"),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd", "adam"),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}


def unsupported(settings: Settings) -> str | None:
    """All but momentum."""
    return backprop.unsupported(settings)


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


class AgedAdam(step.Rule):
    """Adam with an age for each weight: the definition's step, layer by layer, on padded arrays."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.gradients = Gradients(stack)

    def update(self, layer: int) -> None:
        """One layer."""
        cbp.descend(self.stack.hyper, self.stack.state, self.gradients.of(layer), 1.0)

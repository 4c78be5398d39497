"""Online normalisation: statistics, their error controls, gains and shifts, all in place."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms.online_normalisation import CLAMP
from perennial.learning.engines.graphed import backprop
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {
    "affine": ("learned", "none"),
    "guard": ("none", "clamp", "layer_scaling"),
    "initialisation": ("kaiming", "unit_gain"),
    "probe": ("following", "stored"),
}


class Rule(backprop.Rule):
    """Backpropagation through the normalised sums of every hidden layer."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.hidden = [
            _Hidden(stack, layer, own) for layer, own in enumerate(stack.state["algorithm"].values())
        ]

    def pre_activation(self, layer: int, z: Any) -> None:
        """Normalise z [r, 1, h] in place."""
        z[:, 0] = self.hidden[layer].forward(z[:, 0])

    def backward(self, layer: int, delta: Any) -> None:
        """From the derivative by what was normalised to that by the sums, in place: delta [r, 1, h]."""
        delta[:, 0] = self.hidden[layer].backward(delta[:, 0])


class _Hidden:
    """One hidden layer. Arrays over units are padded, [r, h]; the formulas are those of the definition."""

    def __init__(self, stack: Stack, layer: int, own: dict[str, Any]) -> None:
        hyper, weights = stack.hyper, stack.state["weights"]
        self.own, self.guard, self.units = own, hyper.guard, stack.network.sizes[layer + 1]
        self.gain, self.shift = weights.get(f"gain_{layer}"), weights.get(f"shift_{layer}")
        self.decay, self.control = hyper.forward_decay, 1 - hyper.backward_decay
        self.epsilon, self.step_size = hyper.epsilon, hyper.step_size

    def forward(self, z: Any) -> Any:
        """The input of the activation function for the sums z; the statistics move on."""
        mean, variance = self.own["mean"], self.own["variance"]
        self.root = torch.sqrt(variance + self.epsilon)
        deviation = z - mean
        variance.mul_(self.decay).add_(deviation * deviation, alpha=self.decay * (1 - self.decay))
        mean.add_(deviation, alpha=1 - self.decay)
        self.y = deviation / self.root
        self.out = self.y if self.gain is None else self.y * self.gain + self.shift
        if self.guard == "layer_scaling":
            self.length = torch.sqrt(self._mean(self.out * self.out) + self.epsilon)
            self.out = self.out / self.length
        return self.out.clamp(-CLAMP, CLAMP) if self.guard == "clamp" else self.out

    def backward(self, g: Any) -> Any:
        """The derivative by z, controlled; gain and shift are updated."""
        if self.guard == "clamp":
            g = g * (self.out.abs() <= CLAMP)
        if self.guard == "layer_scaling":
            g = (g - self.out * self._mean(g * self.out)) / self.length
        if self.gain is not None:
            change = g * -self.step_size
            g = g * self.gain
            self.gain.addcmul_(change, self.y)
            self.shift.add_(change)
        g = self._controlled(g, self.own["error_1"], self.y)
        return self._controlled(g / self.root, self.own["error_2"], None)

    def _controlled(self, g: Any, error: Any, y: Any) -> Any:
        """g' = g - (1 - a_b) e y, e' = e + g' y; y stands for 1 where it is None."""
        if y is None:
            g = g - self.control * error
            error.add_(g)
        else:
            g = g - self.control * error * y
            error.addcmul_(g, y)
        return g

    def _mean(self, x: Any) -> Any:
        """Over the units of a layer, [r, h] -> [r, 1]; pads are zero."""
        return x.sum(1, keepdim=True) / self.units

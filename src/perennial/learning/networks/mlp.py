"""Fully connected network: 20-5-1 for the regression, 64-100-100-100-10 for the digits, none hidden: linear.

Weights are `weight_l` [r, i, o] and `bias_l` [r, o] for layer l = 0, 1, ...; a leading axis r for the runs.
Initial weights of layer l are uniform within +-g sqrt(3 / fan_in), g the gain of the activation that follows
(1 for the output); biases are 0. (Nature 2024, Methods; Kaiming uniform.)
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import units_in_a_row
from perennial.settings import Settings as Base

GAINS = {
    "relu": 2**0.5, "leaky_relu": 2**0.5, "tanh": 5 / 3, "sigmoid": 1.0, "elu": 2**0.5, "swish": 2**0.5,
}  # fmt: skip
LEAK = 0.01


class Settings(Base):
    """Settings of a fully connected network."""

    hidden: list[int] = Field(description="units of each hidden layer; an empty list is a linear map")
    activation: Literal["relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish"] = Field(
        "relu", description="activation of the hidden units"
    )


def width(settings: Settings) -> int:
    """Numbers of the largest hidden layer for one example."""
    return max(settings.hidden, default=0)


def bounds(activation: str, sizes: tuple[int, ...]) -> list[float]:
    """Initial weights of layer l are uniform within +-bounds[l] = g sqrt(3 / fan_in)."""
    gains = [GAINS[activation]] * (len(sizes) - 2) + [1.0]
    return [g * (3 / n) ** 0.5 for g, n in zip(gains, sizes, strict=False)]


def keep(layer: int, x: Any) -> Any:
    """The hook of an algorithm that leaves the forward pass alone."""
    return x


class Network:
    """A fully connected network of a given shape; it holds no weights.

    Args:
        settings: hidden layers and activation.
        inputs: number of inputs i.
        outputs: number of outputs o.
        shape: of an image, where the inputs are one; here they are just numbers.
    """

    stackable = True
    units = units_in_a_row

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        self.activation = settings.activation
        self.sizes = (inputs, *settings.hidden, outputs)
        self.layers = len(self.sizes) - 1
        self.names = [f"{kind}_{layer}" for layer in range(self.layers) for kind in ("weight", "bias")]
        self.shapes = list(zip(self.sizes, self.sizes[1:], strict=False))  #: of each layer's weights
        self.bounds = bounds(self.activation, self.sizes)

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run: `weight_l` [i, o], `bias_l` [o].

        `task` is 0 for the usual single initialisation, or the task at which a network is made anew.
        """
        weights: dict[str, np.ndarray] = {}
        for layer, (i, o) in enumerate(self.shapes):
            u = streams.uniforms(streams.Address(streams.INIT, seed, task=task, layer=address + layer), i * o)
            sample = (u.astype(dtype) * 2 - 1) * np.dtype(dtype).type(self.bounds[layer])
            weights[f"weight_{layer}"] = sample.reshape(i, o)
            weights[f"bias_{layer}"] = np.zeros(o, dtype)
        return weights

    def forward(
        self, weights: dict[str, Any], x: Any, pre_activation: Hook = keep, post_activation: Hook = keep
    ) -> tuple[Any, list[Any]]:
        """Outputs and hidden activations, as tensors.

        Args:
            weights: as from `init`, with the leading axis r.
            x: [r, b, i].
            pre_activation, post_activation: of the hidden layers, (layer, [r, b, h]) -> [r, b, h].

        Returns:
            outputs [r, b, o] and the list of the hidden layers' activations [r, b, h].
        """
        features = []
        for layer in range(self.layers):
            x = linear(x, weights[f"weight_{layer}"], weights[f"bias_{layer}"])
            if layer < self.layers - 1:
                x = post_activation(layer, activate(self.activation, pre_activation(layer, x)))
                features.append(x)
        return x, features

    def features(self, weights: dict[str, np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """Hidden activations of one run in numpy, for probes: x [b, i] -> a list of [b, h]."""
        found = []
        for layer in range(self.layers - 1):
            x = activate_array(self.activation, x @ weights[f"weight_{layer}"] + weights[f"bias_{layer}"])
            found.append(x)
        return found

    def incoming(self, arrays: dict[str, Any], layer: int) -> Any:
        """What each unit of a hidden layer receives: [r, h, i], a view of arrays shaped like the weights."""
        return arrays[f"weight_{layer}"].transpose(1, 2)  # [r, i, h]

    def outgoing(self, arrays: dict[str, Any], layer: int) -> Any:
        """What each unit of a hidden layer gives: [r, h, p, o], a view; a unit has p = 1 place."""
        return arrays[f"weight_{layer + 1}"].unsqueeze(2)  # [r, h, o]

    def by_unit(self, layer: int, features: Any) -> Any:
        """A hidden layer's activations [r, b, h] by unit and place: [r, b, h, p]."""
        return features[..., None]


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x [r, b, i], weight [r, i, o], bias [r, o] -> [r, b, o].

    With one example a product and a sum, not a matrix product: the library picks its matrix-vector kernel by
    the memory alignment of each run, so a run's last bits would depend on its place in the stack.
    """
    if x.shape[1] == 1:
        return (x.transpose(1, 2) * weight).sum(1, keepdim=True) + bias.unsqueeze(1)  # [r, i, o] -> [r, 1, o]
    return torch.baddbmm(bias.unsqueeze(1), x, weight)


def activate(name: str, z: Any) -> Any:
    """The activation of a tensor of any shape.

    Only functions that round alike at every place of a tensor: torch's own sigmoid and elu round differently in
    the last few numbers, which do not fill a vector, so a run's last bits would depend on its place in the stack.
    """
    if name == "leaky_relu":
        return torch.nn.functional.leaky_relu(z, LEAK)
    if name == "elu":
        return torch.where(z > 0, z, torch.expm1(z.clamp(max=0)))
    if name in ("sigmoid", "swish"):
        lowest = 1 - math.log(torch.finfo(z.dtype).max)  # exp(-z) stays finite: no slope of 0 times infinity
        s = 1 / (1 + torch.exp(-z.clamp(min=lowest)))
        return s if name == "sigmoid" else z * s
    return {"relu": torch.relu, "tanh": torch.tanh}[name](z)


def activate_array(name: str, z: np.ndarray) -> np.ndarray:
    """The activation of a numpy array of any shape."""
    if name == "relu":
        return np.maximum(z, 0)
    if name == "leaky_relu":
        return np.where(z > 0, z, z * z.dtype.type(LEAK))
    if name == "tanh":
        return np.tanh(z)
    if name == "elu":
        return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))
    with np.errstate(over="ignore"):  # exp may be infinite: its sigmoid is 0
        sigmoid = 1 / (1 + np.exp(-z))
    return sigmoid if name == "sigmoid" else z * sigmoid

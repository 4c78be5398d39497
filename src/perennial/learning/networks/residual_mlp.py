"""Fully connected network of the MNIST-1D studies: PyTorch's first weights, and layers that may add to their input.

40-100-100-10 with h2 = h1 + relu(W h1 + b) is their MLP of 15,210 parameters; no hidden layer is logistic regression,
410. Weights are `weight_l` [r, i, o], biases `bias_l` [r, o], both uniform within +-1 / sqrt(fan_in) at first.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.learning.algorithms import Hook
from perennial.learning.networks import Units, mlp
from perennial.learning.networks.mlp import activate, activate_array, keep, linear, width
from perennial.settings import Settings as Base
from perennial.settings import Unfit

__all__ = ["Network", "Settings", "width"]

Count = Annotated[int, Field(ge=1)]


class Settings(Base):
    """Settings of a fully connected network that may be residual."""

    hidden: list[Count] = Field(
        description="units of each hidden layer; an empty list is logistic regression"
    )
    residual: bool = Field(True, description="a hidden layer that is as wide as its input adds to it")
    activation: Literal["relu", "tanh"] = Field("relu", description="activation of the hidden units")


class Network(mlp.Network):
    """A fully connected network of a given shape; it holds no weights. Arguments as for `mlp.Network`."""

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(
            mlp.Settings(hidden=settings.hidden, activation=settings.activation), inputs, outputs
        )
        self.bounds = [i**-0.5 for i, _ in self.shapes]
        hidden = self.shapes[:-1]
        #: of each hidden layer: whether it adds to its input; the first one reads the examples and never does
        self.adds = [settings.residual and layer > 0 and i == o for layer, (i, o) in enumerate(hidden)]

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run, without the axis r: of each layer one draw, its weights and then its biases."""
        weights: dict[str, np.ndarray] = {}
        for layer, ((i, o), bound) in enumerate(zip(self.shapes, self.bounds, strict=True)):
            place = streams.Address(streams.INIT, seed, task=task, layer=address + layer)
            u = streams.uniforms(place, (i + 1) * o)
            sample = (u.astype(dtype) * 2 - 1) * np.dtype(dtype).type(bound)
            weights[f"weight_{layer}"], weights[f"bias_{layer}"] = (
                sample[: i * o].reshape(i, o),
                sample[i * o :],
            )
        return weights

    def forward(
        self, weights: dict[str, Any], x: Any, pre_activation: Hook = keep, post_activation: Hook = keep
    ) -> tuple[Any, list[Any]]:
        """Outputs [r, b, o] and the hidden layers' activations [r, b, h], for x [r, b, i], as `mlp.Network.forward`."""
        features = []
        for layer, adds in enumerate(self.adds):
            z = pre_activation(layer, linear(x, weights[f"weight_{layer}"], weights[f"bias_{layer}"]))
            h = activate(self.activation, z)
            x = post_activation(layer, x + h if adds else h)
            features.append(x)
        head = self.layers - 1
        return linear(x, weights[f"weight_{head}"], weights[f"bias_{head}"]), features

    def features(self, weights: dict[str, np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """Hidden activations of one run in numpy, for probes: x [b, i] -> a list of [b, h]."""
        found = []
        for layer, adds in enumerate(self.adds):
            h = activate_array(self.activation, x @ weights[f"weight_{layer}"] + weights[f"bias_{layer}"])
            x = x + h if adds else h
            found.append(x)
        return found

    def units(self, arrays: dict[str, Any], layer: int) -> Units:
        """What each unit owns, where it is read by the next layer alone.

        Raises:
            Unfit: a layer adds to what it reads, so that a unit has no weights of its own there.
        """
        if any(self.adds):
            raise Unfit("residual_mlp: units of residual layers cannot be renewed (allowed: residual: false)")
        return super().units(arrays, layer)

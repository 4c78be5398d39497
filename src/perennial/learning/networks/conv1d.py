"""Convolutional network for sequences: convolutions with ReLU, each followed by pooling if wished, then a linear layer.

The MNIST-1D studies have three convolutions of 25 channels (kernels 5, 3, 3; stride 2; 5,210 parameters), and for the
pooling benchmark two of 20 (kernel 3, stride 1) with a pooling of two neighbours (3,310). What remains is flattened,
channel after channel. Weights of a convolution are `weight_l` [r, o, i, k], of the head [r, i, o]; biases are `bias_l`
[r, o]. Both are uniform within +-1 / sqrt(fan_in) at first, as PyTorch's are.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import units_in_a_row
from perennial.learning.networks.mlp import keep, linear
from perennial.settings import Settings as Base
from perennial.settings import Unfit

POOL = 2  # neighbours that are pooled

Count = Annotated[int, Field(ge=1)]


class Settings(Base):
    """Settings of a convolutional network for sequences."""

    channels: list[Count] = Field([25, 25, 25], min_length=1, description="channels of each convolution")
    kernels: list[Count] = Field([5, 3, 3], description="positions that each convolution reads")
    stride: int = Field(2, ge=1, description="of every convolution")
    padding: int = Field(1, ge=0, description="zeros put at either end before every convolution")
    pool: Literal["none", "max", "average", "l2"] = Field(
        "none",
        description="of two neighbours after each convolution; l2: the root of the sum of their squares",
    )

    @model_validator(mode="after")
    def _as_many(self) -> Settings:
        if len(self.kernels) != len(self.channels):
            raise ValueError(f"kernels: {len(self.kernels)} given for {len(self.channels)} convolutions")
        return self


def width(settings: Settings) -> int:
    """Numbers of the first layer for one example of 40 positions."""
    length = (40 + 2 * settings.padding - settings.kernels[0]) // settings.stride + 1
    return settings.channels[0] * (length if settings.pool == "none" else length // POOL)


class Network:
    """A convolutional network for sequences of one channel; it holds no weights.

    Args:
        settings: its layers.
        inputs: length of a sequence.
        outputs: number of outputs o.
        shape: not used.

    Raises:
        Unfit: the sequences are too short.
    """

    units = units_in_a_row

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        self.settings, self.convolutions = settings, len(settings.channels)
        self.widths = [*settings.channels, outputs]  #: of each layer
        self.layers = len(self.widths)
        self.lengths = [inputs]  #: positions that each convolution reads, and that the last one leaves
        for kernel in settings.kernels:
            length = (self.lengths[-1] + 2 * settings.padding - kernel) // settings.stride + 1
            self.lengths.append(length if settings.pool == "none" else length // POOL)
        if min(self.lengths) < 1:
            raise Unfit(
                f"conv1d: sequences of {inputs} are too short for {self.convolutions} such convolutions"
            )
        self.names = [f"{kind}_{layer}" for layer in range(self.layers) for kind in ("weight", "bias")]
        ins = [1, *settings.channels]
        self.shapes: list[tuple[int, ...]] = [
            (o, i, k) for o, i, k in zip(settings.channels, ins, settings.kernels, strict=False)
        ]
        self.shapes.append((settings.channels[-1] * self.lengths[-1], outputs))
        fans = [i * k for _, i, k in self.shapes[:-1]] + [self.shapes[-1][0]]
        self.bounds = [fan**-0.5 for fan in fans]

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run, without the axis r: of each layer one draw, its weights and then its biases."""
        weights: dict[str, np.ndarray] = {}
        for layer, (shape, o) in enumerate(zip(self.shapes, self.widths, strict=True)):
            count = int(np.prod(shape))
            place = streams.Address(streams.INIT, seed, task=task, layer=address + layer)
            u = streams.uniforms(place, count + o)
            sample = (u.astype(dtype) * 2 - 1) * np.dtype(dtype).type(self.bounds[layer])
            weights[f"weight_{layer}"] = sample[:count].reshape(shape)
            weights[f"bias_{layer}"] = sample[count:]
        return weights

    def forward(
        self, weights: dict[str, Any], x: Any, pre_activation: Hook = keep, post_activation: Hook = keep
    ) -> tuple[Any, list[Any]]:
        """Outputs [r, b, o] and the hidden layers' activations [r, b, h p], for x [r, b, i]; each run by itself."""
        features = []
        for layer in range(self.convolutions):
            weight, bias = weights[f"weight_{layer}"], weights[f"bias_{layer}"]
            shown = x.unflatten(2, (-1, self.lengths[layer]))  # [r, b, i] -> [r, b, channel, position]
            z = torch.stack([self._convolve(*run) for run in zip(shown, weight, bias, strict=True)])
            h = torch.relu(pre_activation(layer, z.flatten(2)).view(z.shape))
            x = post_activation(layer, self._pooled(h).flatten(2))
            features.append(x)
        head = self.convolutions
        return linear(x, weights[f"weight_{head}"], weights[f"bias_{head}"]), features

    def _convolve(self, x: Any, weight: Any, bias: Any) -> Any:
        """One run: x [b, i, position], weight [o, i, k], bias [o] -> [b, o, position']."""
        return torch.nn.functional.conv1d(x, weight, bias, self.settings.stride, self.settings.padding)

    def _pooled(self, h: Any) -> Any:
        """[r, b, h, position] -> [r, b, h, position / 2]; the last position of an odd number is dropped."""
        if self.settings.pool == "none":
            return h
        pairs = h.unfold(3, POOL, POOL)  # [r, b, h, p, 2]
        if self.settings.pool == "max":
            return pairs.amax(4)
        return pairs.mean(4) if self.settings.pool == "average" else torch.linalg.vector_norm(pairs, dim=4)

    def features(self, weights: dict[str, np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """Hidden activations of one run in numpy, for probes: x [b, i] -> a list of [b, h p]."""
        own = {name: torch.tensor(w)[None] for name, w in weights.items()}
        with torch.no_grad():
            return [h[0].numpy() for h in self.forward(own, torch.tensor(x)[None])[1]]

    def incoming(self, arrays: dict[str, Any], layer: int) -> Any:
        """The filter of each channel: [r, h, i, k], a view of arrays shaped like the weights."""
        return arrays[f"weight_{layer}"]

    def outgoing(self, arrays: dict[str, Any], layer: int) -> Any:
        """What each channel gives: [r, h, p, o] or [r, h, p, o, k], a view; p = 1 where a convolution reads it."""
        weight = arrays[f"weight_{layer + 1}"]
        if layer + 1 < self.convolutions:
            return weight.transpose(1, 2).unsqueeze(2)  # [r, o, h, k]
        return weight.unflatten(1, (self.widths[layer], -1))  # [r, h p, o]

    def by_unit(self, layer: int, features: Any) -> Any:
        """A hidden layer's activations [r, b, h p] by unit and place: [r, b, h, p]."""
        return features.reshape(*features.shape[:2], self.widths[layer], -1)

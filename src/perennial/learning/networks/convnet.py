"""Convolutional network of Continual ImageNet: convolutions, each followed by pooling, then fully connected layers.

Nature 2024, Extended Data Table 3. The first convolution is 5x5, the others 3x3, without padding; after each comes
the ReLU and the maximum of every 2x2 square. What remains is flattened, channel after channel. The table prints a
pooling stride of 1; the authors' code has 2, and only that leaves the table's 512 inputs of the next layer.

Weights of a convolution are `weight_l` [r, o, i, k, k], of a fully connected layer [r, i, o], as in `mlp`; biases
are `bias_l` [r, o]. Weights and biases of a layer are uniform within +-1 / sqrt(fan_in) at first, as PyTorch's are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import units_in_a_row
from perennial.learning.networks.mlp import keep, linear
from perennial.settings import Settings as Base
from perennial.settings import Unfit

FIRST_KERNEL, KERNEL, POOL = 5, 3, 2

Count = Annotated[int, Field(ge=1)]


class Settings(Base):
    """Settings of a convolutional network."""

    channels: list[Count] = Field([32, 64, 128], min_length=1, description="channels of each convolution")
    hidden: list[Count] = Field([128, 128], description="units of each fully connected hidden layer")


def width(settings: Settings) -> int:
    """Numbers of the first layer for one image of 32x32, pooled: a channel counts at all its places."""
    side = (32 - FIRST_KERNEL + 1) // POOL
    return settings.channels[0] * side * side


class Network:
    """A convolutional network of a given shape; it holds no weights.

    Args:
        settings: channels and hidden units.
        inputs: number of inputs i.
        outputs: number of outputs o.
        shape: of the image that the inputs are: channels, rows, columns.

    Raises:
        Unfit: the inputs are no image, or one too small.
    """

    units = units_in_a_row

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        if shape is None:
            raise Unfit("convnet: the problem's inputs are no images (allowed: network: mlp)")
        self.convolutions = len(settings.channels)
        self.images = [
            shape
        ]  #: what each convolution is given, and what the last one leaves: (channel, y, x)
        for layer, channels in enumerate(settings.channels):
            size = [(n - self._kernel(layer) + 1) // POOL for n in self.images[layer][1:]]
            if min(size) < 1:
                what = f"channels: {self.convolutions} convolutions are too many for images of {shape[1]}x{shape[2]}"
                raise Unfit(f"convnet: {what} (must be at most {layer})")
            self.images.append((channels, *size))
        self.widths = [*settings.channels, *settings.hidden, outputs]  #: of each layer: channels, or units
        self.layers = len(self.widths)
        self.names = [f"{kind}_{layer}" for layer in range(self.layers) for kind in ("weight", "bias")]
        self.shapes = [self._shape(layer) for layer in range(self.layers)]  #: of each layer's weights
        self.bounds = [self._fan_in(layer) ** -0.5 for layer in range(self.layers)]

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run, without the axis r: of each layer one draw, its weights and then its biases.

        `task` is 0 for the usual single initialisation, or the task at which a network is made anew.
        """
        weights: dict[str, np.ndarray] = {}
        for layer, (shape, o) in enumerate(zip(self.shapes, self.widths, strict=True)):
            count = int(np.prod(shape))
            u = streams.uniforms(
                streams.Address(streams.INIT, seed, task=task, layer=address + layer), count + o
            )
            sample = (u.astype(dtype) * 2 - 1) * np.dtype(dtype).type(self.bounds[layer])
            weights[f"weight_{layer}"], weights[f"bias_{layer}"] = (
                sample[:count].reshape(shape),
                sample[count:],
            )
        return weights

    def forward(
        self,
        weights: dict[str, Any],
        x: Any,
        pre_activation: Hook = keep,
        post_activation: Hook = keep,
        convolve: Callable[[Any, Any, Any], Any] | None = None,
    ) -> tuple[Any, list[Any]]:
        """Outputs and hidden activations, as tensors.

        Args:
            weights: as from `init`, with the leading axis r.
            x: [r, b, i], images flattened channel after channel.
            pre_activation, post_activation: of the hidden layers, (layer, [r, b, h p]) -> [r, b, h p], after the
                pooling: the maximum of ReLUs is the ReLU of the maximum, and costs a quarter.
            convolve: another way to do what `apart` does.

        Returns:
            outputs [r, b, o] and the list of the hidden layers' activations [r, b, h p].
        """
        features = []
        for layer in range(self.layers):
            weight, bias = weights[f"weight_{layer}"], weights[f"bias_{layer}"]
            if layer < self.convolutions:
                images = x.unflatten(2, self.images[layer])  # [r, b, i] -> [r, b, channel, y, x]
                x = (convolve or apart)(images, weight, bias)
            else:
                x = linear(x, weight, bias)
            if layer < self.layers - 1:
                x = post_activation(layer, torch.relu(pre_activation(layer, x)))
                features.append(x)
        return x, features

    def features(self, weights: dict[str, np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """Hidden activations of one run in numpy, for probes: x [b, i] -> a list of [b, h p]."""
        own = {name: torch.tensor(w)[None] for name, w in weights.items()}
        with torch.no_grad():
            return [h[0].numpy() for h in self.forward(own, torch.tensor(x)[None])[1]]

    def incoming(self, arrays: dict[str, Any], layer: int) -> Any:
        """What each unit of a hidden layer receives: [r, h, i], a view of arrays shaped like the weights.

        Of a channel it is its whole filter: [r, h, i, k, k].
        """
        weight = arrays[f"weight_{layer}"]
        if layer < self.convolutions:
            return weight
        return weight.transpose(1, 2)  # [r, i, h]

    def outgoing(self, arrays: dict[str, Any], layer: int) -> Any:
        """What each unit of a hidden layer gives: [r, h, p, o] or [r, h, p, o, k, k], a view.

        A convolution does not tell apart where its input is: p = 1. To a fully connected layer each place of a
        channel is an input of its own.
        """
        weight = arrays[f"weight_{layer + 1}"]
        if layer + 1 < self.convolutions:
            return weight.transpose(1, 2).unsqueeze(2)  # [r, o, h, k, k]
        return weight.unflatten(1, (self.widths[layer], -1))  # [r, h p, o]

    def by_unit(self, layer: int, features: Any) -> Any:
        """A hidden layer's activations [r, b, h p] by unit and place: [r, b, h, p]."""
        return features.reshape(*features.shape[:2], self.widths[layer], -1)

    def _kernel(self, layer: int) -> int:
        return KERNEL if layer else FIRST_KERNEL

    def _fan_in(self, layer: int) -> int:
        """Number of inputs of a unit."""
        if layer < self.convolutions:
            return self.images[layer][0] * self._kernel(layer) ** 2
        return self.widths[layer - 1] if layer > self.convolutions else int(np.prod(self.images[-1]))

    def _shape(self, layer: int) -> tuple[int, ...]:
        if layer < self.convolutions:
            return self.widths[layer], self.images[layer][0], self._kernel(layer), self._kernel(layer)
        return self._fan_in(layer), self.widths[layer]


def apart(images: Any, weight: Any, bias: Any) -> Any:
    """Each run by itself: images [r, b, i, y, x], weight [r, o, i, k, k], bias [r, o] -> [r, b, o y' x']."""
    return torch.stack([_convolve(*run) for run in zip(images, weight, bias, strict=True)])


def _convolve(images: Any, weight: Any, bias: Any) -> Any:
    """One run: images [b, i, y, x], weight [o, i, k, k], bias [o] -> [b, o y' x'], convolved and pooled."""
    z = torch.nn.functional.conv2d(images, weight, bias)
    return torch.nn.functional.max_pool2d(z, POOL).flatten(1)

"""Residual network with batch normalisation: ResNet-18 for images of 32x32, and smaller ones of the same kind.

A stem of one convolution, then stages of blocks; a block is two 3x3 convolutions, each with batch normalisation, and a
skip that joins before the second activation. From the second stage on the first block halves the image and its skip is
a 1x1 convolution with normalisation. The first convolution is 3x3 without pooling after it, and all convolutions have
biases. (Nature 2024, Fig. 2 and the authors' code.)

Hidden layers are the stem and the convolutions of the blocks, in order; convolutions of skips belong to no unit. The
activations of a block's second convolution are those after the skip has joined, and those of the last layer its means
over the image. So a renewed channel of a block's end still passes on what the skip gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import Units
from perennial.learning.networks.mlp import keep
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

KERNEL, EPSILON, MOMENTUM = 3, 1e-5, 0.1
Mode = Literal["train", "test", "probe"]


class Settings(Base):
    """Settings of a residual network."""

    widths: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [64, 128, 256, 512], min_length=1, max_length=8, description="channels of each stage"
    )
    blocks: int = Field(2, ge=1, le=8, description="blocks of each stage; ResNet-18 has 2")
    probe: Literal["batch", "running"] = switch(
        "batch",
        "statistics of the batch normalisation where activations are looked at (Fig. 2c, 2d)",
        paper="not mentioned",
        code="those of the probe itself: the network is left in training mode",
    )


def width(settings: Settings) -> int:
    """Numbers of the first layer for one image of 32x32."""
    return settings.widths[0] * 32 * 32


class Network:
    """A residual network of a given shape; it holds no weights.

    Args:
        settings: widths and blocks.
        inputs: number of inputs i.
        outputs: number of outputs o.
        shape: of the image that the inputs are: channels, rows, columns.

    Raises:
        Unfit: the inputs are no image, or one too small.
    """

    distribution = "normal"

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        if shape is None:
            raise Unfit("resnet18: the problem's inputs are no images (allowed: network: mlp)")
        if min(shape[1:]) < 2 ** (len(settings.widths) - 1):
            halved = f"widths: {len(settings.widths)} stages halve images of {shape[1]}x{shape[2]} too often"
            raise Unfit(f"resnet18: {halved} (a side must be at least {2 ** (len(settings.widths) - 1)})")
        self.shape, self._probe = shape, settings.probe
        self.halved, self.widths = [False], [settings.widths[0]]  # by block; by layer, the stem first
        for stage, channels in enumerate(settings.widths):
            self.halved += [stage > 0 and block == 0 for block in range(settings.blocks)]
            self.widths += [channels] * (2 * settings.blocks)
        del self.halved[0]
        self.widths.append(outputs)
        self.layers = len(self.widths)
        self.shapes = [self._shape(layer) for layer in range(self.layers)]  #: of each layer's weights
        self.bounds = [(3 * v) ** 0.5 for v in map(self._variance, range(self.layers))]
        self.skips = [block for block, halved in enumerate(self.halved) if halved]
        normed = [f"{kind}_{layer}" for layer in range(self.layers - 1) for kind in ("gamma", "beta")]
        plain = [f"{kind}_{layer}" for layer in range(self.layers) for kind in ("weight", "bias")]
        kinds = ("skip_weight", "skip_bias", "skip_gamma", "skip_beta")
        self.names = [*plain, *normed, *(f"{kind}_{block}" for block in self.skips for kind in kinds)]
        self.buffer_names = [
            *(f"{kind}_{layer}" for layer in range(self.layers - 1) for kind in ("mean", "variance")),
            *(f"skip_{kind}_{block}" for block in self.skips for kind in ("mean", "variance")),
        ]

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run, without the axis r: normal, of variance 2 / fan_in, that of the head 1 / fan_in;
        biases and beta 0, gamma 1."""
        weights: dict[str, np.ndarray] = {}
        for name in self.names:
            kind, _, k = name.rpartition("_")
            if kind in ("weight", "skip_weight"):
                place = int(k) if kind == "weight" else self.layers + int(k)
                shape = self.shapes[int(k)] if kind == "weight" else self._skip_shape(int(k))
                n = streams.normals(
                    streams.Address(streams.INIT, seed, task=task, layer=address + place), int(np.prod(shape))
                )
                variance = self._variance(int(k)) if kind == "weight" else 2 / shape[1]
                weights[name] = (n.astype(dtype) * np.dtype(dtype).type(variance**0.5)).reshape(shape)
            else:
                count = self.widths[int(k)] if not kind.startswith("skip") else self._skip_shape(int(k))[0]
                weights[name] = np.full(count, kind.endswith("gamma"), dtype)
        return weights

    def buffers(self, dtype: str = "float32") -> dict[str, np.ndarray]:
        """Fresh running means 0 and variances 1 of one run, without the axis r."""
        found = {}
        for name in self.buffer_names:
            kind, _, k = name.rpartition("_")
            count = self._skip_shape(int(k))[0] if kind.startswith("skip") else self.widths[int(k)]
            found[name] = np.full(count, kind.endswith("variance"), dtype)
        return found

    def forward(
        self,
        weights: dict[str, Any],
        x: Any,
        pre_activation: Hook = keep,
        post_activation: Hook = keep,
        buffers: dict[str, Any] | None = None,
        mode: Mode = "train",
    ) -> tuple[Any, list[Any]]:
        """Outputs and hidden activations, as tensors.

        Args:
            weights: as from `init`, with the leading axis r.
            x: [r, b, i], images flattened channel after channel.
            pre_activation, post_activation: of the hidden layers, (layer, [r, b, h p]) -> [r, b, h p].
            buffers: running statistics [r, h], moved on in place in mode "train".
            mode: statistics of the mini-batch, of the past, or of either as the settings say.

        Returns:
            outputs [r, b, o] and the hidden layers' activations [r, b, h, y, x], of the last layer [r, b, h].
        """
        assert buffers is not None, "the running statistics are missing"
        found: list[Any] = []

        def conv(kind: str, k: int, images: Any, stride: int, padding: int) -> Any:
            return _each(
                lambda image, weight, bias: torch.nn.functional.conv2d(image, weight, bias, stride, padding),
                images, weights[f"{kind}weight_{k}"], weights[f"{kind}bias_{k}"],
            )  # fmt: skip

        def normed(kind: str, k: int, images: Any) -> Any:
            own = (weights[f"{kind}{name}_{k}"] for name in ("gamma", "beta"))
            past = (buffers[f"{kind}{name}_{k}"] for name in ("mean", "variance"))
            return _each(self._normalise(mode), images, *own, *past)

        def active(z: Any) -> Any:
            layer = len(found)
            h = torch.relu(_hooked(pre_activation, layer, z))
            h = h.mean((3, 4)) if layer == self.layers - 2 else h  # [r, b, h, y, x] -> [r, b, h]
            found.append(_hooked(post_activation, layer, h))
            return found[-1]

        images = x.unflatten(2, self.shape)  # [r, b, i] -> [r, b, channel, y, x]
        images = images.contiguous() if len(x) > 1 else _channels_last(images)
        h = active(normed("", 0, conv("", 0, images, 1, 1)))
        for block, halved in enumerate(self.halved):
            first, second, stride = 2 * block + 1, 2 * block + 2, 2 if halved else 1
            inner = active(normed("", first, conv("", first, h, stride, 1)))
            skip = normed("skip_", block, conv("skip_", block, h, stride, 0)) if halved else h
            h = active(normed("", second, conv("", second, inner, 1, 1)) + skip)
        last = self.layers - 1
        return torch.baddbmm(weights[f"bias_{last}"].unsqueeze(1), h, weights[f"weight_{last}"]), found

    def units(self, arrays: dict[str, Any], layer: int) -> Units:
        """What each channel of a hidden layer owns; statistics where the arrays have them."""
        following = arrays[f"weight_{layer + 1}"]
        last = layer == self.layers - 2
        outgoing = (
            following.unsqueeze(2) if last else following.transpose(1, 2).unsqueeze(2)
        )  # [r, h, 1, o, ...]
        statistics = ((f"mean_{layer}", 0.0), (f"variance_{layer}", 1.0))
        affine = ((f"bias_{layer}", 0.0), (f"gamma_{layer}", 1.0), (f"beta_{layer}", 0.0))
        return Units(
            arrays[f"weight_{layer}"],
            (outgoing,),
            tuple((arrays[name], fresh) for name, fresh in affine),
            tuple((arrays[name], fresh) for name, fresh in statistics if name in arrays),
            (arrays[f"bias_{layer + 1}"],),
        )

    def by_unit(self, layer: int, features: Any) -> Any:
        """A hidden layer's activations, [r, b, h p] or [r, b, h, y, x], by unit and place: [r, b, h, p]."""
        return features.reshape(*features.shape[:2], self.widths[layer], -1)

    def _normalise(self, mode: Mode) -> Callable[..., Any]:
        """Batch normalisation of one run: images [b, h, y, x], gamma, beta, mean and variance [h]."""
        past = mode == "test" or (mode == "probe" and self._probe == "running")

        def normalise(images: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
            kept = (None, None) if mode == "probe" and not past else (mean, variance)
            return torch.nn.functional.batch_norm(images, *kept, gamma, beta, not past, MOMENTUM, EPSILON)

        return normalise

    def _shape(self, layer: int) -> tuple[int, ...]:
        inputs = self.widths[layer - 1] if layer else self.shape[0]
        if layer == self.layers - 1:
            return inputs, self.widths[layer]
        return self.widths[layer], inputs, KERNEL, KERNEL

    def _skip_shape(self, block: int) -> tuple[int, ...]:
        return self.widths[2 * block + 1], self.widths[2 * block], 1, 1

    def _variance(self, layer: int) -> float:
        """Of fresh weights: 2 / fan_in, of the head 1 / fan_in."""
        shape = self.shapes[layer]
        return 1 / shape[0] if layer == self.layers - 1 else 2 / int(np.prod(shape[1:]))


def _each(function: Callable[..., Any], *arrays: Any) -> Any:
    """What a function makes of each run by itself, of arrays [r, ...]. A single one is not copied."""
    if len(arrays[0]) == 1:
        return function(*(array[0] for array in arrays)).unsqueeze(0)
    return torch.stack([function(*run) for run in zip(*arrays, strict=True)])


def _channels_last(images: Any) -> Any:
    """The same numbers of a single run, the channels of a place side by side, which convolutions on a CPU like."""
    return images[0].contiguous(memory_format=torch.channels_last).unsqueeze(0)


def _hooked(hook: Hook, layer: int, x: Any) -> Any:
    """What a hook makes of activations [r, b, h, ...], of which it sees [r, b, h p]."""
    return x if hook is keep else hook(layer, x.flatten(2)).view(x.shape)

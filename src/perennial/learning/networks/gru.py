"""Gated recurrent network (GRU, Cho et al. 2014) that reads a sequence number by number, in both directions.

MNIST-1D has 6 units a direction; its 40 outputs of 12 numbers, in the order of the positions, go through one linear
layer: 5,134 parameters. A direction has `weight_0` [r, 3 h, 1], `weight_0_hidden` [r, 3 h, h] and two biases [r, 3 h],
for the gates reset, update, new, as in PyTorch; names of the second direction end in `_backward`. All of these are
uniform within +-1 / sqrt(h) at first. The head is `weight_1` [r, i, o], `bias_1` [r, o].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import Units
from perennial.learning.networks.mlp import keep, linear
from perennial.settings import Settings as Base
from perennial.settings import Unfit

GATES = 3
DIRECTIONS = ("", "_backward")  # endings of the names


class Settings(Base):
    """Settings of a gated recurrent network."""

    hidden: int = Field(6, ge=1, description="units of each direction")


def width(settings: Settings) -> int:
    """Numbers of the hidden layer at one position."""
    return len(DIRECTIONS) * settings.hidden


class Network:
    """A bidirectional GRU for sequences of one channel; it holds no weights.

    Args:
        settings: its units.
        inputs: length of a sequence.
        outputs: number of outputs o.
        shape: not used.
    """

    layers = 2

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        h = self.hidden = settings.hidden
        self.positions = inputs
        sizes = {"weight_0{}": (GATES * h, 1), "weight_0_hidden{}": (GATES * h, h)}
        sizes |= {"bias_0{}": (GATES * h,), "bias_0_hidden{}": (GATES * h,)}
        recurrent = {name.format(way): size for way in DIRECTIONS for name, size in sizes.items()}
        self.recurrent = list(recurrent)  #: in the order in which PyTorch takes them
        read = len(DIRECTIONS) * h * inputs
        self.sizes: dict[str, tuple[int, ...]] = {
            **recurrent,
            "weight_1": (read, outputs),
            "bias_1": (outputs,),
        }
        self.names = list(self.sizes)
        self.shapes = [size for name, size in self.sizes.items() if name.startswith("weight")]
        self.bounds = [h**-0.5, read**-0.5]

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh weights of one run, without the axis r: of each layer one draw, in the order of the names."""
        weights: dict[str, np.ndarray] = {}
        for layer, bound in enumerate(self.bounds):
            sizes = {name: size for name, size in self.sizes.items() if f"_{layer}" in name}
            place = streams.Address(streams.INIT, seed, task=task, layer=address + layer)
            u = streams.uniforms(place, sum(int(np.prod(size)) for size in sizes.values()))
            sample = (u.astype(dtype) * 2 - 1) * np.dtype(dtype).type(bound)
            ends = np.cumsum([int(np.prod(size)) for size in sizes.values()])
            parts = np.split(sample, ends[:-1])
            weights |= {name: part.reshape(sizes[name]) for name, part in zip(sizes, parts, strict=True)}
        return weights

    def forward(
        self, weights: dict[str, Any], x: Any, pre_activation: Hook = keep, post_activation: Hook = keep
    ) -> tuple[Any, list[Any]]:
        """Outputs [r, b, o] and the hidden layer's activations [r, b, h p], for x [r, b, i]; each run by itself.

        Raises:
            Unfit: an algorithm changes the forward pass, which runs within a gate here.
        """
        if pre_activation is not keep or post_activation is not keep:
            raise Unfit(
                "gru: algorithms that change the forward pass need another network (allowed: residual_mlp)"
            )
        runs = [self._read(x[r], [weights[name][r] for name in self.recurrent]) for r in range(len(x))]
        h = torch.stack(runs)  # [r, b, p, h]
        outputs = linear(h.flatten(2), weights["weight_1"], weights["bias_1"])
        return outputs, [h.transpose(2, 3).flatten(2)]

    def _read(self, x: Any, weights: list[Any]) -> Any:
        """One run: x [b, p] -> [b, p, h], h running over both directions."""
        begin = x.new_zeros(len(DIRECTIONS), len(x), self.hidden)
        # biases, layers, dropout, training, bidirectional, batch first
        return torch._VF.gru(x.unsqueeze(2), begin, weights, True, 1, 0.0, False, True, True)[0]

    def features(self, weights: dict[str, np.ndarray], x: np.ndarray) -> list[np.ndarray]:
        """Hidden activations of one run in numpy, for probes: x [b, i] -> [[b, h p]]."""
        own = {name: torch.tensor(w)[None] for name, w in weights.items()}
        with torch.no_grad():
            return [h[0].numpy() for h in self.forward(own, torch.tensor(x)[None])[1]]

    def units(self, arrays: dict[str, Any], layer: int) -> Units:
        """Raises:
        Unfit: always; a unit of a GRU owns rows of three gates in four arrays, which no algorithm renews.
        """
        raise Unfit("gru: units of a recurrent network cannot be renewed (allowed: mlp, convnet, conv1d)")

    def by_unit(self, layer: int, features: Any) -> Any:
        """The hidden layer's activations [r, b, h p] by unit and position: [r, b, h, p]."""
        return features.reshape(*features.shape[:2], len(DIRECTIONS) * self.hidden, self.positions)

"""Dropout: a mask over hidden units, drawn once per step for all layers."""

from __future__ import annotations

from typing import Any

from perennial import streams
from perennial.lazy import torch
from perennial.learning.engines.graphed import backprop
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack
from perennial.streams import tensors

__all__ = ["Rule", "unsupported"]


class Rule(backprop.Rule):
    """Backpropagation through h m / (1 - probability), m = 0 for the units left out and 1 for the others."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.probability = stack.hyper.probability
        self.longest = max([h.shape[2] for h in stack.h[1:]], default=0)
        addresses = [layer.address for layer in stack.networks.hidden]
        places = torch.tensor(addresses, dtype=torch.int64, device=stack.layout.device)
        self.places = places.repeat(stack.clock.seeds.shape[0], 1)  # [r, hidden layer]
        self.mask: Any = None  # [r, hidden layer, longest] of the current step

    def post_activation(self, layer: int, h: Any, slope: Any) -> None:
        """Leave units out; what goes back through them is left out too."""
        if not self.probability:
            return
        if layer == 0:
            u = tensors.uniforms_at(streams.DROPOUT, self.stack.clock, self.places, self.longest)
            self.mask = (u >= self.probability).to(h.dtype) * (1 / (1 - self.probability))
        mask = self.mask[:, layer : layer + 1, : h.shape[2]]  # [r, 1, h]
        h.mul_(mask)
        slope.mul_(mask)

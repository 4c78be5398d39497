"""Dropout: a mask over hidden units, drawn once per step for all layers."""

from __future__ import annotations

from typing import Any

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms.dropout import Settings
from perennial.learning.engines.graphed import backprop, draws
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["Rule", "Settings", "unsupported"]


class Rule(backprop.Rule):
    """Backpropagation through h m / (1 - probability), m = 0 for the units left out and 1 for the others."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.probability, self.drops = stack.rate("probability"), stack.any("probability")
        self.scale = stack.layout.per_run([1 / (1 - hyper.probability) for hyper in stack.hypers], 3)
        self.draw = draws.on(stack.layout.device, "uniforms")
        self.longest = max([h.shape[2] for h in stack.h[1:]], default=0)
        hidden = torch.arange(len(stack.layers) - 1, device=stack.layout.device)
        self.places = hidden.repeat(stack.clock.seeds.shape[0], 1)  # [r, hidden layer]
        self.mask: Any = None  # [r, hidden layer, longest] of the current step

    def post_activation(self, layer: int, h: Any, slope: Any) -> None:
        """Leave units out; what goes back through them is left out too."""
        if not self.drops:
            return
        if layer == 0:
            u = draws.at_places(self.draw, streams.DROPOUT, self.stack.clock, self.places, self.longest)
            self.mask = (u >= self.probability).to(h.dtype) * self.scale
        mask = self.mask[:, layer : layer + 1, : h.shape[2]]  # [r, 1, h]
        h.mul_(mask)
        slope.mul_(mask)

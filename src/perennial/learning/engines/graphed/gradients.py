"""Gradients that are stored, for algorithms that need more of them than to add them to the weights."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.engines.graphed.step import Stack


class Gradients:
    """Writes each layer's gradient, with coupled weight decay, into memory that the layers keep."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.decay, self.decays = stack, stack.rate("weight_decay"), stack.any("weight_decay")
        self.buffers = {name: torch.empty_like(w) for name, w in stack.state["weights"].items()}

    def of(self, layer: int) -> list[tuple[str, Any, Any]]:
        """(name, weights, gradient) of a layer's weights [r, i, o] and biases [r, o]."""
        stack = self.stack
        w, b = (f"weight_{layer}", stack.w[layer]), (f"bias_{layer}", stack.b[layer])
        torch.mul(stack.h[layer].transpose(1, 2), stack.delta[layer], out=self.buffers[w[0]])
        self.buffers[b[0]].copy_(stack.delta[layer][:, 0])
        if self.decays:
            self.buffers[w[0]].addcmul_(w[1], self.decay)
            self.buffers[b[0]].addcmul_(b[1], self.decay[:, 0])
        return [(name, array, self.buffers[name]) for name, array in (w, b)]

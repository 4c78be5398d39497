"""Gradients that are stored, for algorithms that need more of them than to add them to the weights."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.engines.graphed.step import Stack


class Gradients:
    """Writes each layer's gradient into memory that the layers keep, padded like the weights."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.of_all = {name: torch.empty_like(w) for name, w in stack.state["weights"].items()}

    def of(self, layer: int) -> dict[str, Any]:
        """Gradients of a layer's weights [r, i, o] and biases [r, o] by name, once its delta is there."""
        stack, (w, b) = self.stack, (f"weight_{layer}", f"bias_{layer}")
        torch.mul(stack.h[layer].transpose(1, 2), stack.delta[layer], out=self.of_all[w])
        self.of_all[b].copy_(stack.delta[layer][:, 0])
        return {name: self.of_all[name] for name in (w, b)}

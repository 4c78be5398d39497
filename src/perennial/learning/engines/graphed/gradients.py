"""Gradients that are stored, for algorithms that need more of them than to add them to the weights."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.engines.graphed import step
from perennial.learning.engines.graphed.step import Stack


class Rule(step.Rule):
    """Writes each layer's gradient into memory that the layers keep, padded like the weights."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.gradients = {name: torch.empty_like(w) for name, w in stack.state["weights"].items()}

    def gradients_of(self, layer: int) -> dict[str, Any]:
        """Gradients of a layer's weights [r, i, o] and biases [r, o] by name, once its delta is there."""
        stack, (w, b) = self.stack, (f"weight_{layer}", f"bias_{layer}")
        torch.mul(stack.h[layer].transpose(1, 2), stack.delta[layer], out=self.gradients[w])
        self.gradients[b].copy_(stack.delta[layer][:, 0])
        return {name: self.gradients[name] for name in (w, b)}

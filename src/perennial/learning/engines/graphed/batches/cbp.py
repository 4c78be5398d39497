"""Continual backpropagation in mini-batches: the stack's gradient step, then the definition's own test and renewal."""

from __future__ import annotations

from typing import Any

from perennial.learning.algorithms import cbp
from perennial.learning.engines.graphed.batches import l2
from perennial.learning.engines.graphed.batches.l2 import unsupported

__all__ = ["KNOWS", "Rule", "unsupported"]

KNOWS = {
    "utility": tuple(cbp.FACTORS),
    "count": ("eligible", "layer_width"),
    "utility_average": ("corrected",),
    "renewed_moments": ("zero",),
    "renewed_weights": ("layer",),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd",),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}


class Rule(l2.Rule):
    """A gradient step; then all hidden layers are tested, and after that units are renewed."""

    def step(self, features: dict[str, Any]) -> None:
        """One gradient step, then the test of every unit; h [r, b, h p] of each layer."""
        stack = self.stack
        super().step(features)
        cbp.replace(stack.hyper, stack.networks, stack.real, features, stack.clock)

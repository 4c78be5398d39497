"""L2 regularisation: the step of backpropagation, which knows weight decay."""

from __future__ import annotations

from perennial.learning.engines.graphed.batches.backprop import Rule, unsupported

__all__ = ["Rule", "unsupported"]

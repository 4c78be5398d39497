"""What an algorithm's rule works on: the arrays of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perennial.learning.engines.pooled.layout import Layout


@dataclass
class Arrays:
    """The numbers of one run, each kind in one piece, [size], and what its algorithm keeps.

    `state` is the algorithm's branch of the definition's state: nested dicts of tensors [1, ...].
    """

    weights: np.ndarray
    gradients: np.ndarray
    velocity: np.ndarray | None
    state: dict[str, Any] = field(default_factory=dict)

    def tree(self, layout: Layout) -> dict[str, Any]:
        """The definition's state of the run, as views."""
        optimiser = {} if self.velocity is None else {"velocity": layout.tensors(self.velocity)}
        return {"weights": layout.tensors(self.weights), "optimiser": optimiser, "algorithm": self.state}

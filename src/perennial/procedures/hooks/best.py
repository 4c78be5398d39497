"""Weights as they were when validation was best, run by run."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.learning import tree
from perennial.learning.learner import State

KEPT = ("weights", "buffers")


class Best:
    """The best so far of a task: values [r], at which of the tests [r], and what the networks were.

    Args:
        runs: their number.
    """

    def __init__(self, runs: int) -> None:
        self.value, self.at = np.full(runs, -np.inf), np.full(runs, -1)
        self.state: State = {}

    def offer(self, values: np.ndarray, test: int, learner: Any) -> None:
        """Keep the networks of those runs that are better than ever before."""
        better = values > self.value
        if not better.any():
            return
        now = {kind: learner.state()[kind] for kind in KEPT}
        if not self.state:
            self.state = now
        else:
            tree.each(lambda kept, new: kept.__setitem__(better, new[better]), self.state, now)
        self.value, self.at = np.where(better, values, self.value), np.where(better, test, self.at)

    def restore(self, learner: Any) -> None:
        """Set all networks back to their best. What the optimiser and the algorithm remember stays as it is."""
        if self.state:
            learner.load({**learner.state(), **self.state})

    def snapshot(self) -> State:
        """All that is needed to go on; empty where nothing has been offered."""
        return {"value": self.value, "at": self.at, **self.state} if self.state else {}

    def take(self, kept: State) -> None:
        """Go on from a snapshot."""
        if kept:
            self.value, self.at = kept["value"], kept["at"]
            self.state = {kind: kept[kind] for kind in KEPT}

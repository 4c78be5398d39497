"""The graphed engine in mini-batches: a stack of runs, moved through a pass without waiting for the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.lazy import torch
from perennial.learning.engines.graphed.batches.flat import Flat
from perennial.learning.engines.graphed.batches.step import Stack, Step, forward
from perennial.learning.engines.graphed.feed import Feed
from perennial.learning.engines.graphed.layout import Layout
from perennial.learning.engines.graphed.replay import UNROLL
from perennial.learning.engines.graphed.trainer import GraphedTrainer
from perennial.learning.engines.stacked import TEST_BATCH
from perennial.learning.tree import each
from perennial.problems import Task
from perennial.streams import compiled  # noqa: F401  from here on the problems' words are drawn by compiled code


class BatchTrainer(GraphedTrainer):
    """A stack of runs; see `GraphedTrainer`."""

    piece = UNROLL
    folder = "graphed.batches"

    def _prepare(self, precision: str, runs: int, device: Any) -> None:
        torch.backends.cudnn.benchmark = False  # same shapes, same kernels, whatever is quicker at the moment
        torch.backends.cudnn.deterministic = True
        self.layout = Layout(precision, runs, device, padded=False)
        self.feed = Feed(self.layout, logged=torch.float64)
        self._memory: dict[str, Flat] = {}
        #: by run: what it was last given to predict, and the copy of that on the device
        self._shown: dict[int, tuple[np.ndarray, Any]] = {}

    def _held(self, state: Any) -> Any:
        """The state on the device; weights and velocities in one piece each."""
        names, device = self.network.names, self.layout.device
        self._memory = {"weights": Flat(state["weights"], names, device)}
        self._memory |= {kind: Flat(arrays, names, device) for kind, arrays in state["optimiser"].items()}
        held = each(lambda array: array.to(device), state)
        held["weights"] = self._memory["weights"].views
        held["optimiser"] = {kind: self._memory[kind].views for kind in state["optimiser"]}
        each(lambda here, new: here.copy_(new), held, state)
        return held

    def _step(self) -> Step:
        stack = Stack(self._memory, *self._given())
        return Step(stack, self.module.Rule(stack), self.loss)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        self._run(tasks, index, start, stop)
        return self.feed.performance(start, stop)

    def predict(self, run: int, x: np.ndarray) -> np.ndarray:
        """Outputs of one run: x [b, i] -> [b, o]. The same x again, as in the test after each pass, stays there."""
        kept = self._shown.get(run)
        if kept is None or kept[0] is not x:
            inputs = torch.tensor(x, dtype=self.layout.dtype, device=self.layout.device)[None]  # [1, b, i]
            kept = self._shown[run] = x, inputs
        own = {name: w[run : run + 1] for name, w in self._state["weights"].items()}
        with torch.no_grad():
            parts = [forward(self.network, own, part)[0][0] for part in kept[1].split(TEST_BATCH, dim=1)]
        return torch.cat(parts).cpu().numpy()

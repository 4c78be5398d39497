"""The graphed engine: a stack of runs, moved through a task without waiting for the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms
from perennial.learning.engines import fast_path
from perennial.learning.engines.graphed.feed import Feed
from perennial.learning.engines.graphed.layout import Layout
from perennial.learning.engines.graphed.replay import Replay
from perennial.learning.engines.graphed.step import Stack, Step
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK
from perennial.learning.tree import each
from perennial.learning.views import Networks
from perennial.problems import Task


class GraphedTrainer:
    """A stack of runs; a `TaskLearner` of `perennial.learning.learner`.

    Args:
        need: what is asked for; `covers` has none against it.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: cpu or cuda.
    """

    piece: int | None = None
    folder = "graphed"  #: of the algorithms' own parts, in `perennial.learning.engines`

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        torch.set_num_threads(1)  # one compute thread per worker; more would also change sums
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = need.tf32
        name = need.algorithm["name"]
        self.algorithm, self.module = registry.module("algorithms", name), fast_path(self.folder, name)
        self.hyper = registry.parse("algorithms", dict(need.algorithm))
        self.networks, self.network = networks, networks.views[NETWORK].network
        self.seeds, self.loss = seeds, need.loss
        self._prepare(need.precision, len(seeds), torch.device(device))
        self._shapes: Any = None
        self._state: Any = None
        self._replay: Replay | None = None

    def _prepare(self, precision: str, runs: int, device: Any) -> None:
        self.layout = Layout(precision, runs, device)
        self.feed = Feed(self.layout)

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        whole = algorithms.begun(self.algorithm, self.hyper, self.networks, state)
        shapes = each(lambda array: array.shape, whole)
        padded = each(lambda array: torch.from_numpy(self.layout.pad(array)), whole)
        if shapes == self._shapes:  # the memory stays, and with it a recorded graph
            each(lambda here, new: here.copy_(new), self._state, padded)
            return
        self._shapes, self._state = shapes, self._held(padded)
        self._replay = Replay(self._step(), self.layout.device)

    def _held(self, state: Any) -> Any:
        """The state on the device."""
        return each(lambda array: array.to(self.layout.device), state)

    def _step(self) -> Callable[[], None]:
        """The step that is repeated."""
        stack = Stack(*self._given())
        return Step(stack, self.module.Rule(stack), self.loss.name)

    def _given(self) -> tuple[Any, ...]:
        """What a stack is made of."""
        real = each(self.layout.without_pads, self._state, self._shapes)
        return self.networks, self.layout, self.feed, self.hyper, self.seeds, self._state, real

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies); waits for the device."""
        return each(self.layout.unpad, self._state, self._shapes)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task in every run: performance [r, steps]. Not in pieces: a task takes seconds."""
        assert start == 0 and stop in (None, tasks[0].steps), "this engine learns whole tasks"
        self._run(tasks, index, 0, tasks[0].steps)
        return self.feed.performance()

    def _run(self, tasks: list[Task], index: int, start: int, stop: int) -> None:
        """The steps of a task from `start` to `stop`, in every run."""
        assert self._replay is not None, "load a state first"
        with torch.no_grad():
            if self.feed.put(tasks, index):
                self._replay.forget()
            self.feed.step.fill_(start)
            self._replay.run(stop - start)

"""The definition's own step, recorded: whatever `stacked` trains, on a GPU, without waiting for the host.

Forward pass, loss, backward pass and the algorithm's update work on memory that stays where it is; clock and rate are
tensors. So a step can be recorded once as a CUDA graph and replayed (`graphed/replay.py`), be it a user's algorithm,
several networks or a schedule. On a CPU the same step is called as it stands, which is how it is tested.

All runs lie in one stack, also where `stacked` has a stack for each: a run alone and one among others may differ in the
last bits, as under `graphed/batches`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from perennial.lazy import torch
from perennial.learning import tree
from perennial.learning.algorithms import Clock
from perennial.learning.engines.graphed.feed import Feed
from perennial.learning.engines.graphed.layout import Layout
from perennial.learning.engines.graphed.replay import UNROLL, Replay
from perennial.learning.engines.stacked import StackedLearner, take_step
from perennial.learning.learner import Need, State
from perennial.learning.losses import LossSpec
from perennial.learning.views import Networks
from perennial.problems import Task


class RecordedLearner(StackedLearner):
    """A `Learner` for anything, and a `TaskLearner`; see `perennial.learning.learner`.

    Args:
        need: what is asked for; anything.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: cpu or cuda.
    """

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        super().__init__(need, networks, seeds)
        self.piece = 16 * UNROLL
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = need.tf32
        torch.backends.cudnn.benchmark = False  # same shapes, same kernels, whatever is quicker at the moment
        torch.backends.cudnn.deterministic = True
        self._runs = [slice(0, len(seeds))]
        self.layout = Layout(need.precision, len(seeds), torch.device(device), padded=False)
        self.feed = Feed(self.layout, logged=torch.float64)
        self.clock = Clock(self.layout.per_run(seeds, 1, torch.int64), self.feed.task, self.feed.step)
        self.rate = torch.ones((), dtype=torch.float64, device=self.layout.device)
        self._shapes: Any = None
        self._forget()

    def _forget(self) -> None:
        """Nothing is recorded yet, or no longer."""
        self._tasks = Replay(self._step_of_task, self.layout.device)
        self._single: dict[Any, Single] = {}

    def load(self, state: State) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        whole = self._begun(state)
        shapes = tree.each(lambda tensor: (tensor.shape, tensor.dtype), whole)
        if shapes == self._shapes:  # the memory stays, and with it what is recorded
            tree.each(lambda here, new: here.copy_(new), self._states[0], whole)
            return
        self._shapes = shapes
        self._states = [tree.each(lambda tensor: tensor.to(self.layout.device), whole)]
        self._forget()

    def state(self) -> State:
        """The state as numpy arrays (copies); waits for the device."""
        return tree.numbers(self._states[0])

    def step(
        self, loss: LossSpec, batch: Mapping[str, np.ndarray], clock: Clock, rate: float = 1.0
    ) -> np.ndarray:
        """One update of every run from a batch [r, b, ...]; the performance before it, [r]."""
        shapes = tuple((name, array.shape, array.dtype.str) for name, array in batch.items())
        key = loss.name, repr(loss.settings), shapes
        if key not in self._single:
            self._single[key] = Single(self, loss, batch)
        return self._single[key].run(batch, clock, rate)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        if self.feed.put(tasks, index):
            self._tasks.forget()
        self.feed.step.fill_(start)
        self.rate.fill_(1)
        self._tasks.run(stop - start)
        return self.feed.performance(start, stop)

    def _step_of_task(self) -> None:
        inputs, targets = self.feed.take()
        batch = {"inputs": inputs.to(self.layout.dtype), "targets": targets}
        self.feed.log(self.take(self.loss, batch, self.clock).to(torch.float64))

    def take(self, loss: LossSpec, batch: Mapping[str, Any], clock: Clock) -> Any:
        """The definition's step on the memory of the state; performance [r]. An update may put other tensors into the
        state: what they hold is then copied to where the state lies."""
        held = self._states[0]
        state = tree.each(lambda leaf: leaf, held)  # dicts of its own
        performance = take_step(
            self.algorithm, self.hyper, self.networks, state, loss, batch, clock, self.rate
        )
        new = tree.each(lambda here, there: None if there is here else there.clone(), held, state)
        tree.each(lambda here, copied: None if copied is None else here.copy_(copied), held, new)
        return performance


class Single:
    """Single steps of a learner with one loss on batches of one shape.

    Args:
        learner: whose steps.
        loss: by name.
        batch: for its shapes: arrays with leading axes r and b.
    """

    def __init__(self, learner: RecordedLearner, loss: LossSpec, batch: Mapping[str, np.ndarray]) -> None:
        self.learner, self.loss, device = learner, loss, learner.layout.device
        kept = {"f": learner.layout.dtype, "u": learner.layout.dtype}  # others keep their type
        self.batch = {
            name: torch.tensor(array, dtype=kept.get(array.dtype.kind), device=device)
            for name, array in batch.items()
        }
        counts = (torch.zeros(1, dtype=torch.int64, device=device) for _ in ("task", "step"))
        self.clock = Clock(learner.clock.seeds, *counts)
        self.performance = torch.zeros(len(learner.seeds), dtype=torch.float64, device=device)
        self.replay = Replay(self._step, device)

    def run(self, batch: Mapping[str, np.ndarray], clock: Clock, rate: float) -> np.ndarray:
        """One step; waits for the device."""
        for name, array in batch.items():
            self.batch[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
        self.clock.task.fill_(clock.task)
        self.clock.step.fill_(clock.step)
        self.learner.rate.fill_(rate)
        self.replay.run(1)
        return self.performance.cpu().numpy().copy()

    def _step(self) -> None:
        self.performance.copy_(self.learner.take(self.loss, self.batch, self.clock))

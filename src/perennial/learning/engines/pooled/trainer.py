"""The pooled engine: moves each run of a group through its tasks, mini-batch by mini-batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms, tree
from perennial.learning.algorithms import Clock
from perennial.learning.engines import fast_path
from perennial.learning.engines.pooled.arrays import Arrays
from perennial.learning.engines.pooled.layout import Layout
from perennial.learning.engines.pooled.passes import Pass
from perennial.learning.engines.stacked import TEST_BATCH
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK
from perennial.learning.views import Networks
from perennial.problems import Task
from perennial.streams import compiled  # noqa: F401  from here on the problems' words are drawn by compiled code


class PooledTrainer:
    """A group of runs of one variant; a `TaskLearner` of `perennial.learning.learner`.

    Args:
        need: what is asked for; `covers` has none against it.
        networks: of one run: a convolutional one.
        seeds: one per run, in the order of axis r.
        device: cpu.
    """

    piece = 100  # steps: a second or a few

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        torch.set_num_threads(1)  # one compute thread per worker; more would also change sums
        name = need.algorithm["name"]
        self.module, self.algorithm = fast_path("pooled", name), registry.module("algorithms", name)
        self.hyper, self.seeds, self.networks = (
            registry.parse("algorithms", dict(need.algorithm)),
            seeds,
            networks,
        )
        self.layout = Layout(networks.views[NETWORK].network, need.precision)
        self._runs: list[Run] = []

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        whole = algorithms.begun(self.algorithm, self.hyper, self.networks, state)
        self._runs = [Run(self, whole, r) for r in range(len(self.seeds))]

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        return tree.joined([run.state() for run in self._runs])

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        found = [
            run.train(task, Clock([seed], index, start), stop)
            for run, task, seed in zip(self._runs, tasks, self.seeds, strict=True)
        ]
        return np.stack(found)

    def predict(self, run: int, x: np.ndarray) -> np.ndarray:
        """Outputs of one run: x [b, i] -> [b, o]."""
        return self._runs[run].predict(x)


class Run:
    """One run: its arrays, its rule, and the memory of its passes.

    Args:
        trainer: whose run it is.
        state: of the group.
        r: its place there.
    """

    def __init__(self, trainer: PooledTrainer, state: dict[str, Any], r: int) -> None:
        self.layout = layout = trainer.layout
        weights, velocity = layout.pack(state["weights"], r), state["optimiser"].get("velocity")
        own = tree.each(lambda leaf: torch.tensor(leaf[r : r + 1]), state["algorithm"])
        moving = None if velocity is None else layout.pack(velocity, r)
        self.arrays = Arrays(weights, np.zeros_like(weights), moving, own)
        self.rule = trainer.module.Rule(trainer.hyper, layout, self.arrays)
        self._passes: dict[int, Pass] = {}  # by the size of the mini-batch
        self._task: Task | None = None
        self._table = np.empty(0)

    def train(self, task: Task, clock: Clock, stop: int) -> np.ndarray:
        """Learn from the clock's step on; performance [steps]."""
        if task is not self._task:
            self._task, self._table = task, self._turned(task.rows(np.arange(len(task.inputs))))
        batch, targets = self._pass(task.batch), torch.from_numpy(task.targets)
        performance = np.empty(stop - clock.step)
        for step in range(clock.step, stop):
            rows = task.order[step * task.batch : (step + 1) * task.batch]
            wanted, outputs = targets[rows], batch.forward(self._table, rows)
            performance[step - clock.step] = int((outputs.argmax(1) == wanted).sum()) / task.batch
            batch.backward(outputs, wanted)
            self.rule.step(batch.features(), clock._replace(step=step))
        return performance

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Outputs [b, o] for inputs [b, i]."""
        table, found = self._turned(x), []
        for first in range(0, len(x), TEST_BATCH):
            rows = np.arange(first, min(first + TEST_BATCH, len(x)))
            found.append(self._pass(len(rows)).forward(table, rows).numpy())
        return np.concatenate(found)

    def state(self) -> dict[str, Any]:
        """Copies, [1, ...]."""
        velocity = self.arrays.velocity
        optimiser = {} if velocity is None else {"velocity": self.layout.unpack(velocity)}
        weights = self.layout.unpack(self.arrays.weights)
        own = tree.numbers(self.arrays.state)
        return {"buffers": {}, "problem": {}, "weights": weights, "optimiser": optimiser, "algorithm": own}

    def _pass(self, batch: int) -> Pass:
        if batch not in self._passes:
            self._passes[batch] = Pass(self.layout, self.arrays.weights, self.arrays.gradients, batch)
        return self._passes[batch]

    def _turned(self, x: np.ndarray) -> np.ndarray:
        """Images with their channels last: [n, i y x] -> [n, y x i]."""
        images = x.reshape(len(x), *self.layout.network.images[0])
        return np.ascontiguousarray(images.transpose(0, 2, 3, 1), self.layout.dtype).reshape(len(x), -1)

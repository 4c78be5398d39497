"""The fused engine: moves each run of a group through its tasks with a compiled loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.learning import tree
from perennial.learning.engines import fast_path
from perennial.learning.engines.fused.layout import CUT, Layout
from perennial.learning.engines.fused.loop import compile_loop, workspace
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK
from perennial.learning.views import Networks
from perennial.problems import Task
from perennial.problems._per_array import per_array
from perennial.streams import compiled  # noqa: F401  from here on the problems' words are drawn by compiled code

WORK = 2_000_000_000  # weights times examples of a piece of a task: some tenths of a second, or two seconds

_LOOPS: dict[tuple[str, Layout], Any] = {}


class FusedTrainer:
    """A group of runs of one variant; a `TaskLearner` of `perennial.learning.learner`.

    Args:
        need: what is asked for; `covers` has none against it.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: cpu.
    """

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        self.module = fast_path("fused", need.algorithm["name"])
        self.hyper = registry.parse("algorithms", dict(need.algorithm))
        self.seeds, network = seeds, networks.views[NETWORK].network
        self.layout = Layout(network.sizes, network.activation, need.loss.name, need.precision)
        weights = sum(i * o for i, o in zip(network.sizes, network.sizes[1:], strict=False))
        self.piece: int | None = max(WORK // weights // CUT, 1) * CUT
        hooks = self.module.hooks(self.hyper, self.layout)
        if (hooks.name, self.layout) not in _LOOPS:
            _LOOPS[hooks.name, self.layout] = compile_loop(self.layout, hooks)
        self.loop = _LOOPS[hooks.name, self.layout]
        self.work = workspace(self.layout)
        self._runs: list[tuple[tuple, tuple]] = []

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        self._runs = [
            (self.layout.pack(state["weights"], run), self.module.pack(self.hyper, self.layout, state, run))
            for run in range(len(self.seeds))
        ]

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        runs = [
            {
                "buffers": {},
                "problem": {},
                "weights": self.layout.unpack(net),
                **self.module.unpack(self.hyper, self.layout, own),
            }
            for net, own in self._runs
        ]
        return tree.stacked(runs)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = len(tasks[0].order) if stop is None else stop
        performance = np.empty((len(tasks), stop - start))
        for r, (task, (net, own)) in enumerate(zip(tasks, self._runs, strict=True)):
            targets = (
                task.targets.astype(self.layout.dtype) if task.targets.dtype.kind == "f" else task.targets
            )
            table, places = self._data(task)
            data = (table, task.order[start:stop], places, targets)
            self.loop(net, own, self.work, *data, self.seeds[r], index, start, performance[r])
        return performance

    def _data(self, task: Task) -> tuple:
        """The task for the loop: its table, and which column each input shows."""
        n, inputs = task.inputs.shape
        if not self.layout.skips[0]:
            table = np.zeros((n, self.layout.lengths[0] if self.layout.turned else inputs), self.layout.dtype)
            table[:, :inputs] = task.rows(np.arange(n))
            return table, np.arange(inputs)
        place = np.arange(inputs)
        if task.permutation is not None:
            place[task.permutation] = np.arange(inputs)
        return sparse(task.inputs, self.layout.dtype), place


@per_array
def sparse(inputs: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compressed sparse rows of a table [n, i]: start [n + 1], column and value of each entry that is not zero.

    Made once for all runs that share the table. Columns are short, so that less is read at each step.
    """
    there = inputs != 0
    start = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
    columns = np.arange(inputs.shape[1], dtype=np.uint16 if inputs.shape[1] <= 2**16 else np.int64)
    return start, np.broadcast_to(columns, inputs.shape)[there], inputs[there].astype(dtype)

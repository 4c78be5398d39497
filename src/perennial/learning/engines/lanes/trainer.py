"""The engine of runs in lanes: moves a group of up to eight runs through its tasks with a compiled loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.learning import tree
from perennial.learning.engines import fast_path
from perennial.learning.engines.lanes.layout import Layout, side_by_side
from perennial.learning.engines.lanes.loop import compile_loop, workspace
from perennial.learning.engines.vectors import LANES
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK
from perennial.learning.views import Networks
from perennial.problems import Task
from perennial.streams import compiled  # noqa: F401  from here on the problems' words are drawn by compiled code

WORK = 2_000_000_000  # weights times examples of a piece of a task: some tenths of a second

_LOOPS: dict[tuple[str, Layout], Any] = {}


class LanesTrainer:
    """A group of runs of one variant, at most eight; a `TaskLearner` of `perennial.learning.learner`.

    Args:
        need: what is asked for; `covers` has none against it.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: cpu.
    """

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        self.module = fast_path("lanes", need.algorithm["name"])
        self.hyper = registry.parse("algorithms", dict(need.algorithm))
        network = networks.views[NETWORK].network
        self.layout = Layout(network.sizes, network.activation, need.precision)
        self.runs, self.seeds = len(seeds), side_by_side(np.array(seeds, np.uint32))
        self.piece: int | None = WORK // (self.layout.count * LANES)
        hooks = self.module.hooks(self.hyper, self.layout)
        if (hooks.name, self.layout) not in _LOOPS:
            _LOOPS[hooks.name, self.layout] = compile_loop(self.layout, hooks)
        self.loop = _LOOPS[hooks.name, self.layout]
        self.work = workspace(self.layout)

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        self._weights = self.layout.pack(state["weights"])
        self._own = self.module.pack(self.hyper, self.layout, state)

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        kept = self.module.unpack(self.hyper, self.layout, self._own)
        whole = {"buffers": {}, "problem": {}, "weights": self.layout.unpack(self._weights), **kept}
        return tree.each(lambda array: array[: self.runs], whole)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        performance = np.empty((len(tasks), stop - start))
        filled = [tasks[min(lane, len(tasks) - 1)] for lane in range(LANES)]
        words, still, moving = bits([task.inputs for task in filled])
        x = np.ascontiguousarray(still.T).astype(self.layout.dtype).reshape(-1)  # [r, i] -> [i, r]
        targets = np.stack([task.targets for task in filled]).astype(self.layout.dtype)  # [r, row]
        orders = tuple(task.order[start:stop] for task in filled)
        data = (x, moving, words, targets, orders, self.seeds, index, start)
        self.loop(self._weights, self._own, self.work, *data, performance)
        return performance


def bits(tables: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tables of zeros and ones, [row, i] each, as words.

    Returns:
        [r, row] uint32, bit i of which is input i; the first row of each, [r, i]; and the inputs that are not the same
        in all rows of every run, [number].
    """
    whole = np.stack(tables)  # [r, row, i]
    there = whole != 0
    if not np.array_equal(there, whole):
        raise ValueError("inputs of a problem that says they are zeros and ones are not")
    words = (there << np.arange(whole.shape[2], dtype=np.uint32)).sum(axis=2, dtype=np.uint32)
    moves = (there != there[:, :1]).any(axis=(0, 1))  # [i]
    return words, whole[:, 0], np.flatnonzero(moves)

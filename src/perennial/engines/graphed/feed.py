"""A task's data on the device: one table of examples, and for each run the order in which it meets them.

Equal tables of several runs are held once, in their own type (images may stay bytes). A permutation of the inputs
is a second look-up of the example just fetched; the weights stay where they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.engines.graphed.layout import Layout
from perennial.lazy import torch
from perennial.problems import Task


class Feed:
    """Static buffers for the tasks of a stack; a step counter says which example comes next."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.step = torch.zeros(1, dtype=torch.int64, device=layout.device)
        self.task = torch.zeros(1, dtype=torch.int64, device=layout.device)
        self.buffers: dict[str, Any] = {}
        self._tables: tuple[list[int], list[Task]] = ([], [])

    def put(self, tasks: list[Task], index: int) -> bool:
        """Copy a task of every run to the device; whether any buffer moved (a recorded graph is then void)."""
        lanes = [tasks[run] for run in self.layout.lanes]
        moved = self._put_tables(lanes)
        starts, which = self._starts
        order = np.stack([task.order + starts[k] for task, k in zip(lanes, which, strict=True)], axis=1)
        moved |= self._set("order", order)  # [step, r] rows of the common table
        moved |= self._put_permutation(lanes)
        moved |= self._set("performance", np.zeros(order.shape), self.layout.dtype)  # [step, r]
        self.step.zero_()
        self.task.fill_(index)
        return moved

    def take(self, x: Any) -> Any:
        """Put the coming example of every run into x [r, 1, i]; returns the targets [r]."""
        rows = self.buffers["order"].index_select(0, self.step)[0]  # [r]
        example = self.buffers["table"].index_select(0, rows)  # [r, i]
        if "permutation" in self.buffers:
            example = example.gather(1, self.buffers["permutation"])
        x.copy_(example.unsqueeze(1))
        return self.buffers["targets"].index_select(0, rows)

    def log(self, performance: Any) -> None:
        """Record the performance [r] of this step and go on to the next."""
        self.buffers["performance"].index_copy_(0, self.step, performance.unsqueeze(0))
        self.step.add_(1)

    def performance(self) -> np.ndarray:
        """[run, step] float64; waits for the device."""
        return self.buffers["performance"].T[: self.layout.runs].cpu().numpy().astype(np.float64)

    def _put_tables(self, lanes: list[Task]) -> bool:
        """Tables and targets, unless they are those of the last task."""
        key = [part for task in lanes for part in (id(task.inputs), id(task.targets))]
        if key == self._tables[0]:
            return False
        distinct, which = _distinct(lanes)
        inputs = np.concatenate([task.inputs for task in distinct])
        wide = np.zeros((len(inputs), self.layout.lead(inputs.shape[1])), inputs.dtype)
        wide[:, : inputs.shape[1]] = inputs
        starts = np.cumsum([0, *(len(task.inputs) for task in distinct)])
        self._starts = starts, which
        self._tables = key, lanes  # held, so that no other array can get their ids
        targets = np.concatenate([task.targets for task in distinct])
        kind = self.layout.dtype if targets.dtype.kind == "f" else None
        kept = None if inputs.dtype == np.uint8 else self.layout.dtype
        moved = self._set("table", wide, kept)
        return self._set("targets", targets, kind) or moved

    def _put_permutation(self, lanes: list[Task]) -> bool:
        """[r, i]: which column of its example a run's input shows; nothing where no run permutes."""
        if all(task.permutation is None for task in lanes):
            return self.buffers.pop("permutation", None) is not None
        columns = np.tile(np.arange(self.buffers["table"].shape[1]), (len(lanes), 1))
        for row, task in zip(columns, lanes, strict=True):
            if task.permutation is not None:
                row[: len(task.permutation)] = task.permutation
        return self._set("permutation", columns)

    def _set(self, name: str, array: np.ndarray, dtype: Any = None) -> bool:
        """Fill a buffer in place if it has that shape; otherwise make it, and say so."""
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(dtype)
        old = self.buffers.get(name)
        if old is not None and old.shape == tensor.shape and old.dtype == tensor.dtype:
            old.copy_(tensor)
            return False
        self.buffers[name] = tensor.to(self.layout.device, copy=True)
        return True


def _distinct(tasks: list[Task]) -> tuple[list[Task], list[int]]:
    """Tasks whose tables differ, and for every task the place of its table among them."""
    found: list[Task] = []
    which = []
    for task in tasks:
        place = next((k for k, other in enumerate(found) if _same_table(task, other)), len(found))
        if place == len(found):
            found.append(task)
        which.append(place)
    return found, which


def _same_table(one: Task, other: Task) -> bool:
    pairs = ((one.inputs, other.inputs), (one.targets, other.targets))
    return all(a is b or (a.dtype == b.dtype and np.array_equal(a, b)) for a, b in pairs)

"""A task's data on the device: one table of examples, and for each run the order in which it meets them.

Equal tables of several runs are held once, in their own type (images may stay bytes). Where tables are made from
images that many tasks share, all images are held as bytes, once and for all, and centred as they are shown. A
permutation of the inputs is a second look-up of the example just fetched; the weights stay where they are.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from perennial.lazy import torch
from perennial.learning.engines.graphed.layout import Layout
from perennial.problems import Pixels, Task

AT_ONCE = 2**14  # images that are copied to the device at a time


class Feed:
    """Static buffers for the tasks of a stack; a step counter says which examples come next.

    Args:
        layout: padding.
        logged: type of the performance that is recorded; that of the layout when not given.
    """

    def __init__(self, layout: Layout, logged: Any = None) -> None:
        self.layout, self.logged = layout, logged or layout.dtype
        self.step = torch.zeros(1, dtype=torch.int64, device=layout.device)
        self.task = torch.zeros(1, dtype=torch.int64, device=layout.device)
        self.buffers: dict[str, Any] = {}
        self._tables: tuple[list[int], list[Task]] = ([], [])
        self._lanes: list[Task] = []
        self._images: Any = None

    def put(self, tasks: list[Task], index: int) -> bool:
        """Copy a task of every run to the device; whether any buffer moved (a recorded graph is then void)."""
        lanes = [tasks[run] for run in self.layout.lanes]
        self.step.zero_()
        self.task.fill_(index)
        if len(lanes) == len(self._lanes) and all(map(operator.is_, lanes, self._lanes)):
            return False  # another piece of what is here
        moved = self._put_tables(lanes)
        starts, which = self._starts
        rows = [task.order + starts[k] for task, k in zip(lanes, which, strict=True)]
        order = np.stack([own.reshape(-1, lanes[0].batch) for own in rows], axis=1)
        moved |= self._set("order", order)  # [step, r, b] rows of the common table
        moved |= self._put_permutation(lanes)
        moved |= self._set("performance", np.zeros(order.shape[:2]), self.logged)  # [step, r]
        self._lanes = lanes
        return moved

    def take(self) -> tuple[Any, Any]:
        """What the coming step shows every run: inputs [r, b, i] and targets [r, b]."""
        buffers = self.buffers
        rows = buffers["order"].index_select(0, self.step)[0]  # [r, b]
        examples = rows.view(-1)
        targets = buffers["targets"].index_select(0, examples).view(rows.shape)
        if "places" in buffers:
            examples = buffers["places"].index_select(0, examples)
        x = buffers["table"].index_select(0, examples).view(*rows.shape, -1)  # [r b, i] -> [r, b, i]
        if "places" in buffers:
            x = x.to(torch.float32) / buffers["white"] - buffers["mean"]
        if "permutation" in buffers:
            x = x.gather(2, buffers["permutation"].unsqueeze(1).expand(x.shape))
        return x, targets

    def log(self, performance: Any) -> None:
        """Record the performance [r] of this step and go on to the next."""
        self.buffers["performance"].index_copy_(0, self.step, performance.unsqueeze(0))
        self.step.add_(1)

    def performance(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """[run, step] float64 of a piece; waits for the device."""
        found = self.buffers["performance"][start:stop].T[: self.layout.runs].cpu().numpy()
        return found.astype(np.float64, order="C")  # means are taken in the order in which numbers lie

    def _put_tables(self, lanes: list[Task]) -> bool:
        """Tables and targets, unless they are those of the last task."""
        key = [part for task in lanes for part in (id(task.table), id(task.targets))]
        if key == self._tables[0]:
            return False
        shared = self._are_shared(lanes)
        distinct, which = (lanes, list(range(len(lanes)))) if shared else _distinct(lanes)
        self._starts = np.cumsum([0, *(len(task.table) for task in distinct)]), which
        self._tables = key, lanes  # held, so that no other array can get their ids
        moved = self._put_pixels(distinct) if shared else self._put_inputs(distinct)
        targets = np.concatenate([task.targets for task in distinct])
        kind = self.layout.dtype if targets.dtype.kind == "f" else None
        return self._set("targets", targets, kind) or moved

    def _are_shared(self, lanes: list[Task]) -> bool:
        """Whether all tables are made from the same images, and no column is padded."""
        images = [task.table.images if isinstance(task.table, Pixels) else None for task in lanes]
        if images[0] is None or any(own is not images[0] for own in images):
            return False
        width = math.prod(images[0].shape[1:])
        return self.layout.lead(width) == width

    def _put_inputs(self, distinct: list[Task]) -> bool:
        """The tables as they are, one after the other."""
        inputs = np.concatenate([task.inputs for task in distinct])
        wide = np.zeros((len(inputs), self.layout.lead(inputs.shape[1])), inputs.dtype)
        wide[:, : inputs.shape[1]] = inputs
        moved = self.buffers.pop("places", None) is not None
        self._images = None
        return self._set("table", wide, None if inputs.dtype == np.uint8 else self.layout.dtype) or moved

    def _put_pixels(self, lanes: list[Task]) -> bool:
        """All images as bytes, if they are not there yet; and which of them the tables hold."""
        one: Any = lanes[0].table
        moved = one.images is not self._images
        if moved:
            self._images = one.images  # held, too
            self.buffers["table"] = _on(self.layout.device, one.images)
            # a number on the host would be turned into a factor, 1 / 255, which rounds otherwise
            self.buffers["white"] = torch.full((1,), 255, dtype=torch.float32, device=self.layout.device)
        moved |= self._set("mean", one.mean.reshape(-1))
        return self._set("places", np.concatenate([task.table.rows for task in lanes])) or moved

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


def _on(device: Any, images: np.ndarray) -> Any:
    """Images [all, ...] on the device, flattened: [all, i] uint8. Part by part: they may be larger than is free."""
    held = torch.empty(len(images), math.prod(images.shape[1:]), dtype=torch.uint8, device=device)
    for first in range(0, len(images), AT_ONCE):
        part = np.array(images[first : first + AT_ONCE])  # a copy: what is mapped cannot be written to
        held[first : first + AT_ONCE] = torch.from_numpy(part).view(len(part), -1)
    return held


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

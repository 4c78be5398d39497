"""Online permuted digits: real 8x8 digits, each task another permutation of the pixels, one pass, batch 1.

Our own laptop stand-in for online permuted MNIST (Nature 2024, Extended Data Fig. 3 and 4); the data are the
1,797 handwritten digits that come with scikit-learn.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Task
from perennial.settings import Settings as Base
from perennial.settings import switch

DATASET = "digits"
PIXELS, CLASSES, WHITE = 64, 10, np.float32(16)


class Settings(Base):
    """Settings of the permuted digits problem."""

    probe_examples: int = Field(
        1000, ge=1, description="first examples of a task on which internals are measured"
    )
    permutation: Literal["compound", "fresh", "none"] = switch(
        "compound",
        "how a task's permutation comes about; none: every task shows the pixels in their own places (a control)",
        paper="one random permutation of the pixels per task",
        code="permutes the already permuted images, so permutations compound; the distribution is the same",
    )
    order: Literal["fresh", "cyclic"] = switch(
        "fresh",
        "the order of the examples in a task: drawn anew, or the same in every task",
        paper="a random order in each task",
        code="a fresh order in each task",
    )


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """permutation [task, pixel] uint8: input k of the network is pixel `permutation[task, k]`."""
    permutations = np.empty((tasks, PIXELS), np.uint8)
    current = np.arange(PIXELS)
    for task in range(tasks):
        if settings.permutation != "none":
            drawn = streams.permutation(streams.Place(streams.SEQUENCE, seed, task=task), PIXELS)
            current = current[drawn] if settings.permutation == "compound" else drawn
        permutations[task] = current
    return {"permutation": permutations}


class Problem:
    """The stream of one seed."""

    inputs, outputs, loss, axis = PIXELS, CLASSES, "cross_entropy", "task"

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        assert dataset is not None, "the digits are missing"
        self.settings, self.seed, self.sequence = settings, seed, sequence
        self._images = dataset["images"].reshape(-1, PIXELS).astype(np.float32) / WHITE  # [n, i] in [0, 1]
        self._labels = dataset["labels"].astype(np.int64)

    def task(self, index: int) -> Task:
        """All images once, in random order, under the task's permutation."""
        shuffle = 0 if self.settings.order == "cyclic" else index
        order = streams.permutation(streams.Place(streams.ORDER, self.seed, task=shuffle), len(self._labels))
        permutation = self.sequence["permutation"][index].astype(np.int64)
        return Task(self._images, self._labels, order, permutation)

    def probe(self, task: Task) -> np.ndarray:
        """[probe_examples, i]: the first examples of the coming task, as it will show them."""
        return task.rows(task.order[: self.settings.probe_examples])

    def coordinate(self, index: int) -> int:
        """Tasks are counted from 1."""
        return index + 1

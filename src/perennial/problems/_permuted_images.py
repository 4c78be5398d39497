"""What the permuted image problems share: permutations of the pixels, the table of images, one task.

Each task shows the same images under another permutation of their pixels. A problem's file says which images,
and may say in which order they come.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from perennial import streams
from perennial.problems import Arrays, Task
from perennial.problems._per_array import per_array
from perennial.settings import Settings as Base
from perennial.settings import switch


class Switches(Base):
    """Settings that all these problems have."""

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


def permutations(how: str, seed: int, tasks: int, pixels: int) -> Arrays:
    """permutation [task, pixel]: input k of the network is pixel `permutation[task, k]`.

    Args:
        how: compound, fresh or none; the setting `permutation`.
        seed: of the run.
        tasks: number of tasks.
        pixels: of an image; the result has the smallest type that counts them.
    """
    found = np.empty((tasks, pixels), np.min_scalar_type(pixels - 1))
    current = np.arange(pixels)
    for task in range(tasks):
        if how != "none":
            drawn = streams.permutation(streams.Address(streams.SEQUENCE, seed, task=task), pixels)
            current = current[drawn] if how == "compound" else drawn
        found[task] = current
    return {"permutation": found}


@per_array
def table(images: np.ndarray, white: int) -> np.ndarray:
    """[n, i] float32 in [0, 1]: one image a row, `white` being the value of a white pixel."""
    return np.divide(images.reshape(len(images), -1), np.float32(white), dtype=np.float32)


class PermutedImages:
    """The stream of one seed. A problem's file names its images in a subclass."""

    inputs: ClassVar[int]  # pixels of an image
    white: ClassVar[int]  # value of a white pixel
    outputs = 10  # the digits
    loss, axis = "cross_entropy", "task"

    def __init__(self, settings: Any, seed: int, sequence: Arrays, dataset: Arrays | None = None) -> None:
        assert dataset is not None, "the images are missing"
        self.settings, self.seed, self.sequence = settings, seed, sequence
        self._images = table(dataset["images"], self.white)
        self._labels = dataset["labels"].astype(np.int64)

    def task(self, index: int) -> Task:
        """The images in the task's order, under its permutation."""
        address = streams.Address(
            streams.ORDER, self.seed, task=0 if self.settings.order == "cyclic" else index
        )
        permutation = self.sequence["permutation"][index].astype(np.int64)
        return Task(self._images, self._labels, self.order(address), permutation)

    def order(self, address: streams.Address) -> np.ndarray:
        """[steps] int64 rows of the table: all images once, in random order."""
        return streams.permutation(address, len(self._labels))

    def probe(self, task: Task) -> np.ndarray:
        """[probe_examples, i]: the first examples of the coming task, as it will show them."""
        return task.rows(task.order[: self.settings.probe_examples])

    def coordinate(self, index: int) -> int:
        """Tasks are counted from 1."""
        return index + 1

"""What is to be learnt. One file per problem, found by its name.

A problem is a stream of tasks. A task is a small table of examples and the order in which they are shown,
one at a time or in mini-batches. A problem's file exports:

    Settings    its settings, with its fidelity switches
    DATASET     the name of the data set it needs, or None
    Problem     built from (settings, sequence, dataset); the class below says what it has
    sequence    what one seed will meet, as named arrays; a pure function of settings, seed and length
    size        (settings) -> Size: what can be told without data
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Pixels:
    """A table of images that many tasks share: row k is `images[rows[k]] / 255 - mean`, flattened, float32.

    It is computed where it is asked for: an engine that holds all images on its device never does.
    """

    images: np.ndarray  # [all, ...] uint8, the same array for all tasks of all runs
    rows: np.ndarray  # [n] int64
    mean: np.ndarray  # float32, of the shape of an image

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def array(self) -> np.ndarray:
        """[n, i] float32."""
        return centred(self.images[self.rows], self.mean).reshape(len(self), self.mean.size)


def centred(pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """[..., channel, row, column] uint8 -> float32, pixel / 255 - mean."""
    return np.divide(pixels, np.float32(255), dtype=np.float32) - mean


@dataclass(frozen=True)
class Task:
    """One task of one run.

    Step s of the task shows rows `order[s batch : (s + 1) batch]` of the table; where there is a permutation, input k
    of the network is column `permutation[k]` of the row.
    """

    table: np.ndarray | Pixels  # [n, i] float32; shared between tasks where possible
    targets: np.ndarray  # [n] float32 for a regression, int64 class labels for a classification
    order: np.ndarray  # [steps batch] int64 rows of the table
    permutation: np.ndarray | None = None  # [i] int64
    batch: int = 1  # examples of a step

    @property
    def inputs(self) -> np.ndarray:
        """The table as an array, [n, i]."""
        return self.table.array if isinstance(self.table, Pixels) else self.table

    @property
    def steps(self) -> int:
        """Number of steps, each of which is one update."""
        return len(self.order) // self.batch

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """The network's inputs for those rows of the table: [len(rows), i]."""
        inputs = self.inputs[rows]
        return inputs if self.permutation is None else inputs[:, self.permutation]


class Size(NamedTuple):
    """What can be told of a problem without data."""

    inputs: int
    outputs: int
    examples: int  #: of one pass over a task
    shape: tuple[int, ...] | None = None  #: of an image, where the inputs are one


class Problem(Protocol):
    """What the procedures and engines ask of a problem, for one seed."""

    inputs: int
    outputs: int
    loss: str  # squared_error | cross_entropy, the mean over a mini-batch
    # bits: bool      all inputs are 0 or 1; may be left out where they are not
    axis: str  # what the results are counted in: example | task

    def task(self, index: int) -> Task:
        """Task number `index`, counted from 0."""
        ...

    def probe(self, task: Task) -> np.ndarray:
        """[n, i] inputs on which internals are measured before the task is learnt."""
        ...

    def coordinate(self, index: int) -> int:
        """Where task `index` lies on the axis."""
        ...


class Tested(Problem, Protocol):
    """A problem whose tasks are learnt in several passes over the same examples, and have others for tests."""

    def order(self, index: int, epoch: int) -> np.ndarray:
        """[n] int64: rows of the task's table in the order of pass number `epoch`, counted from 0."""
        ...

    def test(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Test examples of task `index` and their labels: [n, i] float32, [n] int64."""
        ...

"""What learns, and what a course asks of it. A learner is networks, an algorithm and their state.

Engines compute learners; see `perennial.learning.engines`. The state of a group of runs has the same layout under every
engine: nested dicts of arrays with leading axis r, branches weights, buffers, optimiser, algorithm, problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from perennial.learning.losses import LossSpec
from perennial.learning.tree import Tree
from perennial.problems import Task
from perennial.streams.clock import Clock

State = Tree


@dataclass(frozen=True)
class Need:
    """What a course needs of an engine; `fits` of an engine says whether it can.

    Attributes:
        networks: name -> settings, as in `{"net": {"name": "mlp", "hidden": [5]}}`.
        algorithm: settings of the algorithm, with its name.
        loss: by name.
        batch: examples of a step.
        tasks: the course hands over whole pieces of tasks (`TaskLearner`); otherwise it takes single steps.
        passes: a task is learnt in several passes, and runs may be cut between two.
        schedule: the rate changes from step to step.
        shared: two networks share parameters.
        precision: of the weights: float32 or float64.
        bits: number of inputs, where all inputs are 0 or 1; 0 where that is not so.
        tf32: a GPU may round factors of products of matrices to TensorFloat-32.
    """

    networks: Mapping[str, Mapping[str, Any]]
    algorithm: Mapping[str, Any]
    loss: LossSpec
    batch: int = 1
    tasks: bool = True
    passes: bool = False
    schedule: bool = False
    shared: bool = False
    precision: str = "float32"
    bits: int = 0
    tf32: bool = False


class Learner(Protocol):
    """A group of runs that learn by one algorithm, r of them."""

    def step(
        self, loss: LossSpec, batch: Mapping[str, np.ndarray], clock: Clock, rate: float = 1.0
    ) -> np.ndarray:
        """Move the parameters that the loss depends on once; the performance before it, [r].

        Args:
            batch: arrays with leading axes r and b.
            clock: of this step.
            rate: multiplies the step size.
        """
        ...

    def predict(self, run: int, x: np.ndarray, name: str = "net") -> np.ndarray:
        """Outputs [b, o] of one run's network for inputs x [b, i], as it is when it does not learn."""
        ...

    def state(self) -> State:
        """The whole state as numpy arrays (copies)."""
        ...

    def load(self, state: State) -> None:
        """Take over a state, as returned by `state`; with weights alone the other branches start fresh."""
        ...


class TaskLearner(Protocol):
    """A learner that goes through whole pieces of a supervised task in one call. It has `state`, `load` and, where it
    learns a task in several passes with tests between them, `predict` of a `Learner`.
    """

    piece: (
        int | None
    )  #: a task may be learnt in pieces that begin at multiples of this; None: only as a whole

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn task number `index` of each run; the performance before each update, [r, steps].

        Args:
            start, stop: the piece of the task, in steps; the state is that before `start`.
        """
        ...

"""How a run proceeds. One file per procedure, found by its name.

A procedure's file exports

    Settings
    LENGTH                     what a run's length counts, for people: "tasks", "environment steps", "rounds"
    MEASURES                   kinds of measures that it can take; see `perennial.measures`
    need(settings) -> Need     what it asks of an engine; None where it computes without a learner
    cost(settings) -> Cost     what a run takes, told without data and without training
    start(group) -> Course     a group of runs at its beginning

`settings` are the canonical ones of a variant. `start` and `cost` raise `Unfit` where problem, measures or length do
not fit the procedure. The training job knows nothing else: it owns the loop, the checkpoints and the progress.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from perennial import registry
from perennial.learning.learner import Need, State
from perennial.problems import Arrays


@dataclass(frozen=True)
class Group:
    """Runs that are trained together.

    Attributes:
        settings: canonical settings of the variant.
        seeds: of the runs, in the order of axis r.
        sequences: what each seed will meet.
        dataset: arrays of the data set, if the problem has one.
        engine: one of `perennial.learning.engines.NAMES`.
        device: cpu or cuda.
    """

    settings: dict[str, Any]
    seeds: list[int]
    sequences: list[Arrays]
    dataset: Arrays | None = None
    engine: str = "stacked"
    device: str = "cpu"


@dataclass(frozen=True)
class Cost:
    """What one run takes.

    Attributes:
        steps: updates over its whole length.
        memory: bytes that it holds at its peak: weights, what is remembered of them, and a copy of both at the end.
        weights: numbers of its networks, biases left out.
    """

    steps: int
    memory: int
    weights: int


@dataclass
class Series:
    """One measured quantity of several runs.

    Attributes:
        name: of the measure.
        axis: what positions count: task, example, step, ...
        positions: of each run [n], or of all runs if there is only one entry.
        values: of each run [n, *axes].
        axes: further axes, name -> coordinates.
        ragged: runs may have different numbers of points (episodes); statistics over seeds are then taken in bins of
            the measure's `every`.
    """

    name: str
    axis: str
    positions: list[np.ndarray]
    values: list[np.ndarray]
    units: str
    description: str
    source: str
    axes: dict[str, np.ndarray] = field(default_factory=dict)
    ragged: bool = False


def need(settings: dict[str, Any]) -> Need | None:
    """What a variant's procedure asks of an engine."""
    return registry.module("procedures", settings["procedure"]["name"]).need(settings)


class Course(Protocol):
    """One group of runs on its way through a procedure. Nothing passes between its runs.

    It may have `diverged`, [r]: the update at which each run was first seen to have diverged, counted from 1, or -1.
    Without it, the training job looks at the last weights.
    """

    total: int  #: run-steps of all runs from beginning to end

    def pieces(self) -> Iterator[int]:
        """Go on from where the runs stand, piece by piece: the run-steps of each. Between two, runs can be cut."""
        ...

    def snapshot(self) -> State:
        """All that the runs need to go on from here, between two pieces: nested dicts of arrays."""
        ...

    def restore(self, kept: State) -> None:
        """Go on from a snapshot; one that is taken now equals it.

        Raises:
            ValueError: or any other error where it is no snapshot of such a course. It is spoilt then.
        """
        ...

    def state(self) -> State:
        """The state of all that learns, with leading axis r: what decides whether two runs ended alike."""
        ...

    def results(self) -> list[Series]:
        """All that was measured so far."""
        ...

"""How a run proceeds. One file per procedure, found by its name.

A procedure's file exports `Settings` and

    run(settings, seeds, sequences, dataset, engine, progress, device="cpu", keeper=None) -> Outcome

which trains the runs of `seeds` together, and `steps(settings, problem)`, the updates of a run in one task. Either
raises `Unfit` where problem or measures do not fit the procedure. The training of a block knows nothing else about it.
Where a run can be cut in two without changing a number, its procedure offers all that it would need to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Progress = Callable[[int], None]  # called with the run-steps done since the last call


class Keeper(Protocol):
    """Keeps what a group of runs needs to go on after a kill. What is kept are nested dicts of arrays."""

    def kept(self) -> Any:
        """What was offered last and is still there; None when the runs begin."""
        ...

    def offer(self, steps: int, snapshot: Callable[[], Any], finished: bool = False) -> None:
        """Here the runs can be cut in two.

        Args:
            steps: updates of each run so far.
            snapshot: makes what is to be kept; called only when something is saved.
            finished: the runs are at their end.
        """
        ...


@dataclass
class Measurement:
    """One measured quantity of several runs."""

    values: np.ndarray  # [r, *axes]
    axes: tuple[str, ...]
    coordinates: dict[str, np.ndarray]
    units: str
    description: str
    source: str


@dataclass
class Outcome:
    """What training leaves behind."""

    measurements: dict[str, Measurement]
    state: dict[str, Any]  # last state, nested dicts of arrays with leading axis r
    steps: int  # updates of each run
    extra: dict[str, Any] = field(default_factory=dict)

"""How a run proceeds. One file per procedure, found by its name.

A procedure's file exports `Settings` and

    run(settings, seeds, sequences, dataset, engine, progress, device="cpu") -> Outcome

which trains the runs of `seeds` together. The training of a block knows nothing else about a procedure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Progress = Callable[[int], None]  # called with the run-steps done since the last call


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

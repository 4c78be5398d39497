"""The place of a step in the random streams, for all runs of a stack."""

from __future__ import annotations

from typing import Any, NamedTuple


class Clock(NamedTuple):
    """Whose step, and which: what the random streams need to know."""

    seeds: Any  # list of the runs' seeds in the order of axis r; engines for a GPU have tensors in all places
    task: Any
    step: Any  # within the task

"""What a course leaves behind, as arrays: the part of training that turns runs into numbers. It touches no file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from perennial.learning import tree
from perennial.learning.learner import State
from perennial.procedures import Course, Series


@dataclass
class Outcome:
    """What training leaves behind: what was measured, and the last state with leading axis r."""

    series: list[Series]
    state: State


def of(course: Course) -> Outcome:
    """The outcome of a course at its end."""
    return Outcome(course.results(), course.state())


def join(outcomes: list[Outcome]) -> Outcome:
    """The outcomes of several groups as one, along axis r."""
    if len(outcomes) == 1:
        return outcomes[0]
    found = []
    for several in zip(*(outcome.series for outcome in outcomes), strict=True):
        one = several[0]
        values = [run for series in several for run in series.values]
        positions = [run for series in several for run in series.positions] if one.ragged else one.positions
        found.append(replace(one, values=values, positions=positions))
    return Outcome(found, tree.joined([outcome.state for outcome in outcomes]))


def digest(state: State, run: int) -> str:
    """SHA-256 over every array of one run's state, in the order of their names."""
    found = hashlib.sha256()
    for path, array in tree.leaves(state):
        found.update(path.encode() + str(array.dtype).encode() + np.ascontiguousarray(array[run]).tobytes())
    return found.hexdigest()

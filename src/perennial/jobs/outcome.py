"""What a course leaves behind, as arrays: the part of training that turns runs into numbers. It touches no file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from perennial.learning import tree
from perennial.learning.learner import State
from perennial.procedures import Course, Series, _finite


@dataclass
class Outcome:
    """What training leaves behind: what was measured, the last state with leading axis r, and who diverged when."""

    series: list[Series]
    state: State
    #: [r] the update at which it was first seen, counted from 1; -1: never. Empty where nothing learns
    diverged: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))


def of(course: Course) -> Outcome:
    """The outcome of a course at its end."""
    results, state = course.results(), course.state()
    ended = _finite.finite(state)  # [r], empty where nothing learns
    known = getattr(course, "diverged", np.full(len(ended), _finite.NEVER))
    if len(ended):
        known = np.where((known == _finite.NEVER) & ~ended, course.total // len(ended), known)
    return Outcome(results, state, known)


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
    diverged = np.concatenate([outcome.diverged for outcome in outcomes])
    return Outcome(found, tree.joined([outcome.state for outcome in outcomes]), diverged)


def digest(state: State, run: int) -> str:
    """SHA-256 over every array of one run's state, in the order of their names."""
    found = hashlib.sha256()
    for path, array in tree.leaves(state):
        found.update(path.encode() + str(array.dtype).encode() + np.ascontiguousarray(array[run]).tobytes())
    return found.hexdigest()

"""Train a little of one kind of run and time it, in CPU seconds of this process: neighbours cost no time there."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from perennial import registry
from perennial.estimate import kinds
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import Materials
from perennial.files import provenance
from perennial.learning import tree
from perennial.procedures import Course, Group

SECONDS = 0.25  # of CPU time that a rehearsal trains at least
SHORT = 1.0  # seconds below which a measurement is taken twice: the first time it loads libraries
LARGE = 120_000_000  # bytes of a network's weights, above which it is not built: its cost goes by its weights
FEW = 2  # runs of a stack that are tried first
LIGHT = 0.005  # seconds of a run-step, below which the whole stack is rehearsed


@dataclass(frozen=True)
class Measured:
    """What a kind costs. Times are CPU seconds."""

    step: float  #: of one run-step, with all that comes between steps
    kept: int  #: bytes of one run's checkpoint
    start: float  #: in a fresh process, until it trains: data, compiling or loading
    memory: int  #: bytes of the process at its peak until then
    runs: int  #: that it had trained until then


def fits(settings: dict[str, Any]) -> bool:
    """Whether a network is small enough to be built for a rehearsal."""
    return kinds.weight_bytes(settings) <= LARGE


def rehearse(kind: Kind, settings: dict[str, Any], materials: Materials) -> Measured:
    """Start runs of a kind and train them for some tenths of a second.

    Args:
        kind: its engine, device and stack.
        settings: of one of its variants.
        materials: data and sequences.
    """
    runs, begin = min(kind.runs, FEW), time.process_time()
    found = _timed(materials.group(settings, runs, kind.engine, kind.device), begin)
    if (
        runs < kind.runs and found.step < LIGHT
    ):  # what each step takes beside its arithmetic is shared by the stack
        whole = _timed(materials.group(settings, kind.runs, kind.engine, kind.device), begin)
        found = replace(found, step=whole.step, kept=whole.kept)
    return found


def _timed(group: Group, begin: float) -> Measured:
    """The first piece of a course compiles, so those after it are timed; where there is but one, that of another.

    What is measured of the weights comes before a task, and may take longer than pieces of it: it is timed apart.
    """
    settings, runs = group.settings, len(group.seeds)
    inside = {name: choice for name, choice in settings["measures"].items() if _is_internal(name)}
    others = {name: choice for name, choice in settings["measures"].items() if name not in inside}
    bare = _measuring(group, others)
    course = _start(bare)
    pieces = course.pieces()
    first = next(pieces)
    spent, memory = time.process_time() - begin, provenance.peak_memory_bytes()
    kept = sum(array.nbytes for _, array in tree.leaves(course.snapshot())) // runs
    step = trained = _seconds_per_run_step(itertools.chain(pieces, _start(bare).pieces()))
    steps_of_task = course.total / settings["length"] / runs
    for every in {choice["every"] for choice in inside.values()}:
        own = {name: choice for name, choice in inside.items() if choice["every"] == every}
        seconds = _seconds_before_task(_measuring(group, {**others, **own}), first * trained)
        step += seconds / every / steps_of_task
    return Measured(step, kept, max(spent - first * trained, 0.0), memory, runs)


def _measuring(group: Group, measures: dict[str, Any]) -> Group:
    return replace(group, settings={**group.settings, "measures": measures})


def _start(group: Group) -> Course:
    return registry.module("procedures", group.settings["procedure"]["name"]).start(group)


def _is_internal(measure: str) -> bool:
    return registry.module("measures", measure).KIND == "internals"


def _seconds_per_run_step(pieces: Iterator[int]) -> float:
    """As many pieces as take long enough."""
    done, begin = 0, time.process_time()
    for run_steps in pieces:
        done += run_steps
        if time.process_time() - begin > SECONDS:
            break
    return (time.process_time() - begin) / done


_KNOWN: dict[str, float] = {}  # in this process: ranks of wide layers take seconds


def _seconds_before_task(group: Group, piece: float) -> float:
    """Seconds for one run of what comes before its first task.

    Args:
        piece: seconds of the first piece without that.
    """
    parts = (*registry.WORLDS, "network", "measures", "precision")
    key = str([group.settings.get(part) for part in parts])
    if key not in _KNOWN:
        found = [_seconds_of_first_piece(group)]
        if found[0] < SHORT:
            found.append(_seconds_of_first_piece(group))
        _KNOWN[key] = max(min(found) - piece, 0.0) / len(group.seeds)
    return _KNOWN[key]


def _seconds_of_first_piece(group: Group) -> float:
    pieces, begin = _start(group).pieces(), time.process_time()
    next(pieces)
    return time.process_time() - begin

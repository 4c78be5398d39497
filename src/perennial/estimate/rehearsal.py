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
from perennial.procedures import Group

SECONDS = 0.25  # of CPU time that a rehearsal trains at least
LONG = 2.0  # seconds after which it ends, although not all that is measured from time to time was measured
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
    """The first piece of a course compiles, so those after it are timed; where there is but one, that of another."""
    start, runs = registry.module("procedures", group.settings["procedure"]["name"]).start, len(group.seeds)
    course = start(group)
    pieces = course.pieces()
    first = next(pieces)
    spent, memory = time.process_time() - begin, provenance.peak_memory_bytes()
    kept = sum(array.nbytes for _, array in tree.leaves(course.snapshot())) // runs
    often = max((choice["every"] for choice in group.settings["measures"].values()), default=1)
    step = _seconds(itertools.chain(pieces, start(group).pieces()), often)
    return Measured(step, kept, max(spent - first * step, 0.0), memory, runs)


def _seconds(pieces: Iterator[int], often: int) -> float:
    """Seconds per run-step of some pieces: as many as take long enough, in whole rounds of `often`."""
    done, begin = 0, time.process_time()
    for count, run_steps in enumerate(pieces, 1):
        done += run_steps
        seconds = time.process_time() - begin
        if seconds > LONG or (seconds > SECONDS and count % often == 0):
            break
    return (time.process_time() - begin) / done

"""What a job costs: CPU seconds, memory and disk, from timings of its kind or of the kind most like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from perennial import registry
from perennial.estimate import kinds, overheads
from perennial.estimate.kinds import Kind
from perennial.estimate.rehearsal import Measured
from perennial.estimate.timings import Timings


@dataclass(frozen=True)
class Expense:
    """What one training job takes."""

    cpu: float  #: seconds, with the start of its process
    memory: int  #: bytes at its peak
    files: float  #: bytes of its run file
    checkpoints: int  #: bytes of its checkpoints at most


@dataclass(frozen=True)
class Source:
    """Where a kind's timing comes from."""

    measured: Measured
    like: Kind | None = None  #: the neighbour it was estimated from
    factor: float = 1.0  #: weights over the neighbour's


def source(kind: Kind, timings: Timings, weights: dict[Kind, int]) -> Source | None:
    """A kind's own timing, or its neighbour's, scaled by the number of weights; None where there is neither."""
    if kind in timings.measured:
        return Source(timings.measured[kind])
    other = kinds.nearest(kind, timings.measured, weights)
    if other is None:
        return None
    its, factor = timings.measured[other], weights[kind] / weights[other]
    return Source(replace(its, step=its.step * factor, kept=round(its.kept * factor)), other, factor)


def train(settings: dict[str, Any], kind: Kind, seeds: int, found: Source, timings: Timings) -> Expense:
    """What one block takes.

    Args:
        settings: of its variant.
        kind: of its runs.
        seeds: of the block.
        found: where its timing comes from.
    """
    run, (start, base) = kinds.cost_of_run(settings), timings.start(kind)
    cpu = timings.stages["train"] + start + run.steps * seeds * found.measured.step
    kept = 2 * seeds * found.measured.kept if cpu > timings.study.checkpoint_seconds else 0
    runs = kinds.held(kind.engine, seeds, found.measured.kept, kinds.weight_bytes(settings))
    return Expense(cpu, base + runs, run_file(settings, seeds), kept)


def numbers(settings: dict[str, Any]) -> dict[str, int]:
    """How many numbers of one seed each measure leaves in a file."""
    layers = sum(len(value) for value in settings["network"].values() if isinstance(value, list))
    each = {"layer": layers, "epoch": settings["procedure"].get("epochs", 1)}
    found = {}
    for name, choice in settings["measures"].items():
        found[name] = -(-settings["length"] // choice["every"])
        for axis in registry.module("measures", name).AXES:
            found[name] *= each.get(axis, 1)
    return found


def run_file(settings: dict[str, Any], seeds: int) -> float:
    """Bytes of a run file."""
    return overheads.FILE + seeds * sum(8 * n + overheads.SERIES for n in numbers(settings).values())


def metrics_file(settings: dict[str, Any], seeds: int) -> float:
    """Bytes of a metrics file: the values of all seeds, four statistics, and the axes."""
    return sum(8 * n * (seeds + 4) + 8 * settings["length"] for n in numbers(settings).values())

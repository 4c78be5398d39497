"""What a job costs: CPU seconds, memory and disk, from timings of its kind or of the kind most like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perennial import registry
from perennial.estimate import kinds
from perennial.estimate.kinds import Kind
from perennial.estimate.rehearsal import Measured
from perennial.estimate.timings import Timings
from perennial.learning import engines

BIG = 1 << 20  # bytes of a table above which it counts in memory


@dataclass(frozen=True)
class Cost:
    """One training job."""

    steps: int  #: run-steps
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
    scaled = replace(its, step=its.step * factor, task=its.task * factor, state=round(its.state * factor))
    return Source(scaled, other, factor)


def train(
    settings: dict[str, Any],
    kind: Kind,
    seeds: int,
    steps: int,
    weights: int,
    found: Source | None,
    timings: Timings,
) -> Cost | None:
    """The cost of one block.

    Args:
        settings: of its variant.
        kind: of its runs.
        seeds: of the block.
        steps: updates of one run in one task.
        weights: of one run's network.
        found: where its timing comes from; None: the cost is not known.
    """
    if found is None:
        return None
    own, run_steps = found.measured, steps * settings["length"] * seeds
    start, base = timings.starts[kind.engine]
    cpu = (
        timings.overheads.stages["train"]
        + start
        + run_steps * own.step
        + settings["length"] * seeds * own.task
    )
    one = weights * np.dtype(settings["precision"]).itemsize
    memory = base + (2 * own.table if own.table > BIG else 0) + _of_runs(kind, seeds, own.state, one)
    kept = 2 * seeds * own.state if cpu > timings.study.checkpoint_seconds else 0
    return Cost(run_steps, cpu, memory, run_file(settings, seeds, own.values, timings), kept)


def _of_runs(kind: Kind, seeds: int, state: int, weights: int) -> int:
    """Bytes of a block's runs at their peak.

    Runs that are trained one by one leave their last states behind, which are joined at the end: twice all of
    them. Before that, the last one is held three times. A stack has its state, a copy of it at the end, and three
    arrays of the size of its weights within a step.
    """
    if kind.engine in engines.ONE_BY_ONE:
        return max(2 * seeds * state, (seeds + 3) * state)
    return seeds * (2 * state + 3 * weights)


def points(settings: dict[str, Any], values: dict[str, int]) -> dict[str, int]:
    """How many numbers of one seed each measure leaves in a file."""
    found = {}
    for name, choice in settings["measures"].items():
        times = settings["length"] / choice["every"]
        binned = (
            registry.module("measures", name).KIND != "internals"
            and not registry.module("measures", name).AXES
        )
        whole = int(times) if binned else int(np.ceil(times))
        found[name] = whole * values.get(name, 1)
    return found


def run_file(settings: dict[str, Any], seeds: int, values: dict[str, int], timings: Timings) -> float:
    """Bytes of a run file."""
    own = points(settings, values)
    each = sum(8 * n + timings.overheads.series for n in own.values())
    return timings.overheads.file + seeds * each


def metrics_file(settings: dict[str, Any], seeds: int, values: dict[str, int]) -> float:
    """Bytes of a metrics file: the values of all seeds, four statistics, and the axes."""
    return sum(8 * n * (seeds + 4) + 8 * settings["length"] for n in points(settings, values).values())


def summary(settings: dict[str, Any], seeds: int, timings: Timings) -> float:
    """CPU seconds of a metrics job."""
    return timings.overheads.stages["metrics"] + timings.overheads.summary * seeds * len(settings["measures"])

"""Train a little of one kind of run and time it, in CPU seconds of this process: neighbours cost no time there."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from perennial import metrics, registry
from perennial.engines import stacked
from perennial.plan.kinds import Kind
from perennial.plan.materials import MOST_TASKS, Materials

SECONDS = 0.25  # of CPU time that a rehearsal trains
CHEAP = 0.1  # seconds of a task, below which whole tasks are rehearsed
COMPILED = 1.5  # seconds: loading a compiled loop takes less, compiling it more
LARGE = 120_000_000  # bytes of a network's weights, above which it is not built: its cost goes by its weights
STACK = 150_000_000  # bytes of the weights of a stack: larger stacks are rehearsed with fewer runs


@dataclass(frozen=True)
class Measured:
    """What a kind costs. Times are CPU seconds."""

    step: float  #: of one run-step
    task: float  #: of one task of one run, beside its steps
    first: float  #: until the first step was done: building, compiling or loading
    compiled: bool  #: whether that step had to be compiled
    state: int  #: bytes of one run's weights, optimiser and algorithm
    table: int  #: bytes of a task's table
    values: dict[str, int]  #: numbers of each measure at one time

    def as_dict(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self)


def fits(kind: Kind, weights: int) -> bool:
    """Whether a network is small enough to be built for a rehearsal."""
    return weights * np.dtype(kind.settings["precision"]).itemsize <= LARGE


def rehearse(kind: Kind, settings: dict[str, Any], materials: Materials) -> Measured:
    """Build the runs of a kind and train them for some tenths of a second.

    Args:
        kind: its engine, device and stack.
        settings: of one of its variants.
        materials: data and problems.
    """
    one_run = materials.weights(settings) * np.dtype(settings["precision"]).itemsize
    runs = max(1, min(kind.runs, STACK // max(one_run, 1)))
    begin = time.process_time()
    stream = _stream(kind, settings, materials, runs)
    tasks = [problem.task(0) for problem in stream.problems]
    stream.trainer.train(tasks, 0, 0, 1)
    first = time.process_time() - begin
    step = _pieces(stream, tasks)
    steps = len(tasks[0].order)
    inside, values = _internals(stream, settings, tasks)
    task = _seconds(lambda: stream.problems[0].task(0)) + inside
    if runs * steps * step < CHEAP:
        step, task = _whole_tasks(stream, settings, runs * steps), 0.0
    state = sum(array.nbytes for array in _leaves(stream.trainer.state())) // runs
    compiled = first > COMPILED and kind.engine == "fused"
    return Measured(step, task, first, compiled, state, tasks[0].inputs.nbytes, values)


def _stream(kind: Kind, settings: dict[str, Any], materials: Materials, runs: int) -> Any:
    """A group of runs at its beginning."""
    procedure = registry.module("procedures", settings["procedure"]["name"])
    seeds = list(range(runs))
    met = [materials.sequence(settings, seed) for seed in seeds]
    return procedure.TaskStream(settings, seeds, met, materials.dataset(settings), kind.engine, kind.device)


def _pieces(stream: Any, tasks: list[Any]) -> float:
    """Seconds per run-step: pieces of a task, each twice as long as the one before, until the last was long enough."""
    steps, start, length, seconds = len(tasks[0].order), 1, 1, 0.0
    while True:
        stop = min(start + length, steps)
        begin = time.process_time()
        stream.trainer.train(tasks, 0, start, stop)
        seconds = time.process_time() - begin
        if stop == steps or seconds > SECONDS / 2:
            return seconds / max(stop - start, 1) / len(tasks)
        start, length = stop, 2 * length


def _whole_tasks(stream: Any, settings: dict[str, Any], run_steps: int) -> float:
    """Seconds per run-step of whole tasks, with all that is measured and reset between them."""
    often = max((choice["every"] for choice in settings["measures"].values()), default=1)
    most, done, begin = min(settings["tasks"], MOST_TASKS), 0, time.process_time()
    while True:
        for index in range(done, min(done + often, most)):
            stream.task(index)
            done += 1
        seconds = time.process_time() - begin
        if seconds > SECONDS or done == most:
            return seconds / (done * run_steps)


def _internals(stream: Any, settings: dict[str, Any], tasks: list[Any]) -> tuple[float, dict[str, int]]:
    """Seconds of measuring one run, meaned over tasks, and how many numbers each measure gives."""
    inside = {n: c["every"] for n, c in settings["measures"].items() if metrics.module(n).KIND == "internals"}
    values = {name: 1 for name in settings["measures"]}
    if not inside:
        return 0.0, values
    total = 0.0
    begin = time.process_time()
    own = stacked.run_of(stream.trainer.state(), 0)
    x = stream.problems[0].probe(tasks[0]).astype(settings["precision"])
    features = stacked.probe(settings["algorithm"], stream.network, own, x)
    weights = {name: w[0] for name, w in own["weights"].items()}
    shown = time.process_time() - begin
    for name, every in inside.items():
        begin = time.process_time()
        values[name] = int(np.size(metrics.module(name).measure(weights, features)))
        total += (time.process_time() - begin) / every
    return total + shown / min(inside.values()), values


def _seconds(function: Any) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def _leaves(tree: Any) -> list[np.ndarray]:
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in _leaves(branch)]
    return [tree]

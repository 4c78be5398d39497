"""Train a little of one kind of run and time it, in CPU seconds of this process: neighbours cost no time there."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from perennial import registry
from perennial.errors import UserError
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import MOST_TASKS, Materials
from perennial.learning import tree
from perennial.learning.engines import stacked
from perennial.procedures import Group

SECONDS = 0.25  # of CPU time that a rehearsal trains
CHEAP = 0.1  # seconds of a task, below which whole tasks are rehearsed
LARGE = 120_000_000  # bytes of a network's weights, above which it is not built: its cost goes by its weights
FEW = 2  # runs of a stack that are tried first
LIGHT = 0.005  # seconds of a run-step, below which the whole stack is rehearsed


@dataclass(frozen=True)
class Measured:
    """What a kind costs. Times are CPU seconds."""

    step: float  #: of one run-step
    task: float  #: of one task of one run, beside its steps
    first: float  #: until the first step was done: building, compiling or loading
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

    Raises:
        NoRehearsal: the kind's procedure is not made of tasks.
    """
    begin = time.process_time()
    runs = min(kind.runs, FEW)
    stream = _stream(kind, settings, materials, runs)
    tasks = [stream._task(problem, 0) for problem in stream.problems]
    stream.learner.train(tasks, 0, 0, 1)
    first = time.process_time() - begin
    step = _chunks(stream, tasks)
    if runs < kind.runs and step < LIGHT:  # what each step takes beside its arithmetic is shared by the stack
        runs = kind.runs
        stream = _stream(kind, settings, materials, runs)
        tasks = [stream._task(problem, 0) for problem in stream.problems]
        step = _chunks(stream, tasks)
    steps = tasks[0].steps
    piece = min(stream._piece(steps), steps)
    inside, values = _internals(stream, settings, tasks, -(-steps // piece))
    task = _seconds(lambda: stream._task(stream.problems[0], 0)) + inside
    if runs * steps * step < CHEAP:
        step, task = _whole_tasks(stream, settings, runs * steps), 0.0
    elif runs * piece * step < CHEAP:
        step = _whole_pieces(stream, runs)
    state = sum(array.nbytes for array in _leaves(stream.learner.state())) // runs
    return Measured(step, task, first, state, tasks[0].inputs.nbytes, values)


class NoRehearsal(UserError, ValueError):
    """A kind of runs that cannot be rehearsed; the message says why."""


def _stream(kind: Kind, settings: dict[str, Any], materials: Materials, runs: int) -> Any:
    """A group of runs at its beginning: what the procedure's `run` makes, see `perennial.procedures._tasks`."""
    seeds = list(range(runs))
    met = [materials.sequence(settings, seed) for seed in seeds]
    group = Group(settings, seeds, met, materials.dataset(settings), kind.engine, kind.device)
    return registry.module("procedures", settings["procedure"]["name"]).start(group)


def _chunks(stream: Any, tasks: list[Any]) -> float:
    """Seconds per run-step: parts of a task, each twice as long as the one before, until one was long enough."""
    steps, start, length = tasks[0].steps, 0, 1
    while True:
        stop = min(start + length, steps)
        begin = time.process_time()
        stream.learner.train(tasks, 0, start, stop)
        seconds = time.process_time() - begin
        if stop == steps or seconds > SECONDS / 2:
            return seconds / (stop - start) / len(tasks)
        start, length = stop, 2 * length


def _whole_pieces(stream: Any, runs: int) -> float:
    """Seconds per run-step of whole pieces of a task, with the tests between them; the first opens the task."""
    pieces = stream.pieces_of(0)
    next(pieces)
    done, begin = 0, time.process_time()
    for steps in pieces:
        done += steps
        if time.process_time() - begin > SECONDS:
            break
    return (time.process_time() - begin) / (done * runs)


def _whole_tasks(stream: Any, settings: dict[str, Any], run_steps: int) -> float:
    """Seconds per run-step of whole tasks, with all that is measured and reset between them."""
    often = max((choice["every"] for choice in settings["measures"].values()), default=1)
    most, done, begin = min(settings["length"], MOST_TASKS), 0, time.process_time()
    while True:
        for index in range(done, min(done + often, most)):
            list(stream.pieces_of(index))
            done += 1
        seconds = time.process_time() - begin
        if seconds > SECONDS or done == most:
            return seconds / (done * run_steps)


_KNOWN: dict[str, tuple[float, dict[str, int]]] = {}  # in this process: ranks of wide layers take seconds


def _internals(
    stream: Any, settings: dict[str, Any], tasks: list[Any], pieces: int
) -> tuple[float, dict[str, int]]:
    """Seconds of measuring the internals of one run, meaned over tasks, and how many numbers each measure gives."""
    key = str([settings[part] for part in ("network", "problem", "measures", "precision")])
    if key in _KNOWN:
        return _KNOWN[key]
    every = {
        n: c["every"]
        for n, c in settings["measures"].items()
        if registry.module("measures", n).KIND == "internals"
    }
    values = {name: pieces if registry.module("measures", name).AXES else 1 for name in settings["measures"]}
    total, begin = 0.0, time.process_time()
    own = tree.run_of(stream.learner.state(), 0)
    x = stream.problems[0].probe(tasks[0]).astype(settings["precision"])
    features = stacked.probe(settings["algorithm"], stream.networks, own, x)
    weights = {name: w[0] for name, w in own["weights"].items()}
    shown = time.process_time() - begin
    for name, often in every.items():
        begin = time.process_time()
        values[name] = int(np.size(registry.module("measures", name).measure(weights, features)))
        total += (time.process_time() - begin) / often
    _KNOWN[key] = total + (shown / min(every.values()) if every else 0.0), values
    return _KNOWN[key]


def _seconds(function: Any) -> float:
    begin = time.process_time()
    function()
    return time.process_time() - begin


def _leaves(tree: Any) -> list[np.ndarray]:
    if isinstance(tree, dict):
        return [leaf for branch in tree.values() for leaf in _leaves(branch)]
    return [tree]

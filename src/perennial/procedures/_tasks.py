"""What procedures that go from task to task share: resets, measures, pieces of a task, and snapshots.

The runs of a group move in step, but nothing passes between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from perennial import registry
from perennial.learning import engines, tree, views
from perennial.learning.engines import stacked
from perennial.learning.learner import Need, State
from perennial.learning.losses import NETWORK, LossSpec
from perennial.problems import Problem, Size, Task
from perennial.procedures import Cost, Group, Series, _finite, _kept
from perennial.procedures.hooks import reset
from perennial.settings import Unfit

LENGTH = "tasks"
COPIES = 4  # arrays like the weights that a run holds at most: the weights, two moments and their ages


class Tasks:
    """One group of runs on its way through the tasks: a `perennial.procedures.Course`.

    A procedure may do otherwise what stands at the end.

    Args:
        group: the runs.
        need: what the procedure asks of the engine.
    """

    kinds = ("performance", "internals")  #: of measures that it can take

    def __init__(self, group: Group, need: Need) -> None:
        settings = group.settings
        self.settings, self.seeds = settings, group.seeds
        self.dtype, self.measures = settings["precision"], settings["measures"]
        module = registry.module("problems", settings["problem"]["name"])
        choices = registry.parse("problems", settings["problem"])
        self.problems: list[Problem] = [
            module.Problem(choices, seed, sequence, group.dataset)
            for seed, sequence in zip(group.seeds, group.sequences, strict=True)
        ]
        one = self.problems[0]
        self.network = network(settings, Size(one.inputs, one.outputs, 0, getattr(one, "shape", None)))
        self.networks = views.single(self.network)
        self.options = registry.parse("procedures", settings["procedure"])
        self._check()
        self.learner = engines.learner(group.engine, need, self.networks, group.seeds, group.device)
        reset.network(self.learner, self.networks, self.seeds, 0, self.dtype)
        self.taken: dict[str, list[np.ndarray]] = {name: [] for name in self.measures}
        self.tasks, self.steps = 0, 0  # done so far
        self.diverged = np.full(len(self.seeds), _finite.NEVER)
        self.performance: list[np.ndarray] = []  # of the task that is being learnt, by piece: [r, steps]
        self.total = self._steps_of(0) * settings["length"] * len(self.seeds)

    def pieces(self) -> Iterator[int]:
        """Learn task after task, from where the runs stand."""
        for index in range(self.tasks, self.settings["length"]):
            for steps in self.pieces_of(index):
                yield steps * len(self.seeds)

    def pieces_of(self, index: int) -> Iterator[int]:
        """Measure, then learn task number `index`, from where it stands: the steps of each piece."""
        tasks = [self._task(problem, index) for problem in self.problems]
        steps, begin = tasks[0].steps, sum(piece.shape[1] for piece in self.performance)
        if begin == 0:
            self._begin(index)
            probes = [problem.probe(task) for problem, task in zip(self.problems, tasks, strict=True)]
            self._measure_internals(index, probes)
        piece = self._piece(steps)
        for start in range(begin, steps, piece):
            stop = min(start + piece, steps)
            self.performance.append(self.learner.train(tasks, index, start, stop))
            self.steps += stop - start
            self._learnt(index, stop, steps)
            if stop == steps:
                self._close(index)
            yield stop - start

    def _close(self, index: int) -> None:
        """The task is learnt: how well it went."""
        performance = self._performance()
        done = self.steps - performance.shape[1]
        self.diverged = _finite.look(self.diverged, done, performance, self.learner.state())
        for name in self._due("performance", 0):
            self.taken[name].append(registry.module("measures", name).measure(performance))
        self.tasks, self.performance = index + 1, []

    def _performance(self) -> np.ndarray:
        """[r, steps] of the task so far."""
        one, *more = self.performance
        return np.concatenate([one, *more], axis=1) if more else one

    def results(self) -> list[Series]:
        """Everything measured."""
        return [self._series(name) for name in self.measures]

    def state(self) -> State:
        """The state of the learner."""
        return self.learner.state()

    def snapshot(self) -> State:
        """All that the runs need to go on from here, between two tasks or pieces of one."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        done = {"tasks": np.array(self.tasks), "steps": np.array(self.steps), "diverged": self.diverged}
        begun = {"performance": self._performance()} if self.performance else {}
        return {**done, **begun, "taken": taken, "state": self.learner.state()}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        _kept.check(self, kept, self._axes())
        self.tasks, self.steps = int(kept["tasks"]), int(kept["steps"])
        self.diverged = kept["diverged"]
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}
        self.performance = [kept["performance"]] if "performance" in kept else []
        self.learner.load(kept["state"])

    def _due(self, kind: str, index: int) -> list[str]:
        """Measures of a kind that are taken now. Those that are averaged over tasks are taken at every task."""
        return [
            name
            for name in self.measures
            if kind == registry.module("measures", name).KIND and self.is_due(name, index)
        ]

    def is_due(self, name: str, index: int) -> bool:
        """Whether a measure is taken of task number `index`."""
        return _binned(name) or index % self.measures[name]["every"] == 0

    def _measure_internals(self, index: int, probes: list[np.ndarray]) -> None:
        """Measures of weights and activations, on inputs [n, i] of each run."""
        due = self._due("internals", index)
        if not due:
            return
        state = self.learner.state()
        rows: dict[str, list[np.ndarray]] = {name: [] for name in due}
        for r, x in enumerate(probes):
            own = tree.run_of(state, r)  # run by run: never mixed
            shown = stacked.probe(self.settings["algorithm"], self.networks, own, x.astype(self.dtype))
            features = [self._places_as_examples(layer, h) for layer, h in enumerate(shown)]
            weights = {name: w[0] for name, w in own["weights"].items()}
            for name in due:
                rows[name].append(registry.module("measures", name).measure(weights, features))
        for name in due:
            self.taken[name].append(np.stack(rows[name]))

    def _places_as_examples(self, layer: int, h: np.ndarray) -> np.ndarray:
        """[b, h p] -> [b p, h]: a convolution's unit is a channel, and each of its places is one more example."""
        units = self.network.by_unit(layer, h[None])[0]  # [b, h, p]
        return units.swapaxes(1, 2).reshape(-1, units.shape[1])

    def _series(self, name: str) -> Series:
        module, every = registry.module("measures", name), self.measures[name]["every"]
        values = np.stack(self.taken[name], axis=1)  # [r, task, *axes]
        if _binned(name):  # bins of `every` tasks; an unfinished last bin is dropped
            bins = values.shape[1] // every
            values = values[:, : bins * every].reshape(len(values), bins, every).mean(axis=2)
        one = self.problems[0]
        first = [one.coordinate(k * every) for k in range(values.shape[1])]
        axes = {axis: np.arange(1, values.shape[2] + 1) for axis in module.AXES}
        about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
        return Series(name, one.axis, [np.array(first)], list(values), *about, axes)

    # ---- what a procedure may do otherwise

    def _axes(self) -> dict[str, int]:
        """Sizes of the axes that measures may have after the task's."""
        return {"layer": self.network.layers - 1}

    def _check(self) -> None:
        """Whether problem and measures are such that the procedure can go through with them.

        Raises:
            Unfit: in one line, what cannot be.
        """
        for name in self.measures:
            if registry.module("measures", name).KIND not in self.kinds:
                raise Unfit(f"measures: {name}: there are no tests (needs procedure: task_epochs)")

    def _task(self, problem: Any, index: int) -> Task:
        """Task number `index`, with all that its run is shown of it."""
        return problem.task(index)

    def _steps_of(self, index: int) -> int:
        """Updates of one run in a task."""
        return self.problems[0].task(index).steps

    def _piece(self, steps: int) -> int:
        """The task is learnt in pieces of so many of its steps."""
        return self.learner.piece or steps

    def _begin(self, index: int) -> None:
        """Before the task is measured and learnt."""

    def _start_afresh(self, index: int, memory: bool = False) -> None:
        """Start afresh before a task what the settings say: the network, its head, or nothing."""
        if self.options.reset == "network" and index > 0:  # before the first task it is fresh
            reset.network(self.learner, self.networks, self.seeds, index, self.dtype)
        if self.options.reset == "head":
            reset.head(self.learner, self.networks, NETWORK, self.settings["algorithm"], memory)

    def _learnt(self, index: int, stop: int, steps: int) -> None:
        """The task is learnt up to step `stop` of its steps, the end of a piece."""


def _binned(name: str) -> bool:
    """Whether a measure is averaged over tasks; others are taken of some tasks only."""
    module = registry.module("measures", name)
    return module.KIND != "internals" and not module.AXES


def need_of(settings: dict[str, Any], batch: int = 1, passes: bool = False) -> Need:
    """What a course of tasks asks of an engine.

    Args:
        settings: canonical settings of the variant.
        batch: examples of a step.
        passes: a task is learnt in several passes, and runs may be cut between two.
    """
    problem = registry.module("problems", settings["problem"]["name"]).Problem
    return Need(
        {NETWORK: settings["network"]},
        settings["algorithm"],
        LossSpec(problem.loss),
        batch,
        passes=passes,
        precision=settings["precision"],
        bits=size_of(settings).inputs if getattr(problem, "bits", False) else 0,
        tf32=settings.get("gpu_precision") == "tf32",
    )


def size_of(settings: dict[str, Any]) -> Size:
    """The problem's size, told without data."""
    own = settings["problem"]
    return registry.module("problems", own["name"]).size(registry.parse("problems", own))


def network(settings: dict[str, Any], size: Size) -> Any:
    """The variant's network for a problem of that size."""
    own = settings["network"]
    module = registry.module("networks", own["name"])
    return module.Network(registry.parse("networks", own), size.inputs, size.outputs, size.shape)


def cost_of(settings: dict[str, Any], steps: int) -> Cost:
    """What a run takes that makes so many updates in a task."""
    shapes = network(settings, size_of(settings)).shapes
    weights = sum(math.prod(shape) for shape in shapes)
    held = weights * np.dtype(settings["precision"]).itemsize * COPIES
    return Cost(steps * settings["length"], 2 * held, weights)

"""A stream of tasks, each learnt in several passes over mini-batches and tested after every pass.

Continual ImageNet (Nature 2024, Fig. 1): 250 passes in mini-batches of 100, a new order for each pass, and before
every task, also the first, the head starts from zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NoReturn

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.learning.learner import Need, State
from perennial.problems import Task, Tested
from perennial.procedures import Cost, Group, _tasks
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

LENGTH = _tasks.LENGTH


class Settings(Base):
    """Settings of a stream of tasks in passes."""

    epochs: int = Field(250, ge=1, description="passes over the examples of a task")
    batch_size: int = Field(100, ge=1, description="examples of one update; must divide those of a pass")
    reset: Literal["head", "network", "none"] = switch(
        "head",
        "what starts afresh before every task: the last layer, from zero; the whole network; or nothing",
        paper="the last layer: the heads of earlier tasks are not used again",
        code="the last layer, from zero, before the first task too",
    )
    head_velocity: Literal["kept", "zero"] = switch(
        "kept",
        "what the optimiser remembers of a head that starts afresh (momentum; Adam's moments)",
        paper="not mentioned",
        code="kept: for about ten steps the velocity pushes the new head as it did the old one",
    )


class TaskEpochs(_tasks.Tasks):
    """One group of runs on its way through the tasks. A piece of a task is a pass."""

    kinds = ("performance", "internals", "test", "passes")

    def __init__(self, group: Group, need: Need) -> None:
        super().__init__(group, need)
        #: of the task that is being learnt, for each measure that is taken after every pass: [r] of each
        self.tested: dict[str, list[np.ndarray]] = {}
        self._tests: tuple[int, list[tuple[np.ndarray, np.ndarray]]] = (-1, [])  #: of one task, by run

    def snapshot(self) -> State:
        """All that the runs need to go on from here, between two passes."""
        tested = {name: np.stack(found) for name, found in self.tested.items()}
        return {**super().snapshot(), **({"tested": tested} if tested else {})}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        super().restore(kept)
        self.tested = {name: list(found) for name, found in kept.get("tested", {}).items()}
        passes = sum(piece.shape[1] for piece in self.performance) // self._piece(self._steps_of(self.tasks))
        due = self._tested_of(self.tasks) if passes else []
        if {name: np.shape(found) for name, found in self.tested.items()} != {
            name: (passes, len(self.seeds)) for name in due
        }:
            raise ValueError(f"the tests after {passes} passes over a task are not there")

    def _axes(self) -> dict[str, int]:
        return {**super()._axes(), "epoch": self.options.epochs}

    def _check(self) -> None:
        super()._check()
        one = self.problems[0]
        if not hasattr(one, "test"):
            _no_passes(self.settings["problem"]["name"])
        check(self.options, self.settings["problem"]["name"], len(one.order(0, 0)))

    def _steps_of(self, index: int) -> int:
        return self.options.epochs * len(self.problems[0].order(index, 0)) // self.options.batch_size

    def _task(self, problem: Tested, index: int) -> Task:
        passes = [problem.order(index, epoch) for epoch in range(self.options.epochs)]
        return replace(problem.task(index), order=np.concatenate(passes), batch=self.options.batch_size)

    def _piece(self, steps: int) -> int:
        return steps // self.options.epochs

    def _begin(self, index: int) -> None:
        """Start afresh what does. A whole network is fresh before the first task, but its head is not zero."""
        self._start_afresh(index, memory=self.options.head_velocity == "zero")

    def _learnt(self, index: int, stop: int, steps: int) -> None:
        """A pass is done: test the networks as they are now."""
        each = self._tested_of(index)
        last = [name for name in self._due("test", index) if name not in each]
        found = self._test(index, each + (last if stop == steps else []))
        for name, values in found.items():
            (self.taken if name in last else self.tested).setdefault(name, []).append(values)

    def _tested_of(self, index: int) -> list[str]:
        """Measures that are taken after every pass over task number `index`."""
        return [name for name in self._due("test", index) if registry.module("measures", name).AXES]

    def _test(self, index: int, names: list[str]) -> dict[str, np.ndarray]:
        """Measures of the networks' outputs on the test examples: [r] each."""
        if not names:
            return {}
        rows = []
        if self._tests[0] != index:  # kept: the same after each pass
            self._tests = index, [problem.test(index) for problem in self.problems]
        for r, (inputs, targets) in enumerate(self._tests[1]):
            outputs = self.learner.predict(r, inputs)
            rows.append([registry.module("measures", name).measure(outputs, targets) for name in names])
        return dict(zip(names, np.array(rows).T, strict=True))

    def _close(self, index: int) -> None:
        """The task is learnt: how it went from pass to pass."""
        performance = self._performance()
        # [r, steps] -> [r, epoch, step]
        by_pass = performance.reshape(len(performance), self.options.epochs, -1)
        for name in self._due("passes", index):
            self.taken[name].append(registry.module("measures", name).measure(by_pass))
        for name, found in self.tested.items():
            self.taken[name].append(np.stack(found, axis=1))  # [r, epoch]
        self.tested = {}
        super()._close(index)


MEASURES = TaskEpochs.kinds


def check(options: Settings, name: str, examples: int) -> None:
    """Whether a problem can be learnt in such passes.

    Args:
        name: of the problem.
        examples: of one pass over a task.

    Raises:
        Unfit: its examples do not fill the mini-batches.
    """
    if examples % options.batch_size:
        raise Unfit(
            f"task_epochs: batch_size: {options.batch_size} does not divide the {examples} training examples of a "
            f"task of {name} (set by procedure.batch_size and problem.train_per_class)"
        )


def _no_passes(name: str) -> NoReturn:
    raise Unfit(f"task_epochs: problem '{name}' has no passes and tests (allowed: procedure: task_stream)")


def need(settings: dict[str, Any]) -> Need:
    """A mini-batch a step, several passes over a task."""
    batch = registry.parse("procedures", settings["procedure"]).batch_size
    return _tasks.need_of(settings, batch, passes=True)


def cost(settings: dict[str, Any]) -> Cost:
    """One update for each mini-batch.

    Raises:
        Unfit: the problem has no passes, or its examples do not fill the mini-batches.
    """
    options, name = registry.parse("procedures", settings["procedure"]), settings["problem"]["name"]
    if not hasattr(registry.module("problems", name).Problem, "test"):
        _no_passes(name)
    examples = _tasks.size_of(settings).examples
    check(options, name, examples)
    return _tasks.cost_of(settings, options.epochs * examples // options.batch_size)


def start(group: Group) -> TaskEpochs:
    """A group of runs before the first task."""
    return TaskEpochs(group, need(group.settings))

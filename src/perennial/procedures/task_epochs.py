"""A stream of tasks, each learnt in several passes over mini-batches and tested after every pass.

Continual ImageNet (Nature 2024, Fig. 1): 250 passes in mini-batches of 100, a new order for each pass, and before
every task, also the first, the head starts from zero.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.learning.engines import stacked
from perennial.problems import Task, Tested
from perennial.procedures import _tasks
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch


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

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: of the task that is being learnt, for each measure that is taken after every pass: [r] of each
        self.tested: dict[str, list[np.ndarray]] = {}
        self._tests: tuple[int, list[tuple[np.ndarray, np.ndarray]]] = (-1, [])  #: of one task, by run

    def snapshot(self) -> dict[str, Any]:
        """All that the runs need to go on from here, between two passes."""
        tested = {name: np.stack(found) for name, found in self.tested.items()}
        return {**super().snapshot(), **({"tested": tested} if tested else {})}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        super().restore(kept)
        self.tested = {name: list(found) for name, found in kept.get("tested", {}).items()}

    def _check(self) -> None:
        check(self.options, self.settings["problem"]["name"], self.problems[0])

    def _task(self, problem: Tested, index: int) -> Task:
        passes = [problem.order(index, epoch) for epoch in range(self.options.epochs)]
        return replace(problem.task(index), order=np.concatenate(passes), batch=self.options.batch_size)

    def _piece(self, steps: int) -> int:
        return steps // self.options.epochs

    def _begin(self, index: int) -> None:
        """Start afresh what does. A whole network is fresh before the first task, but its head is not zero."""
        if self.options.reset == "head" or (self.options.reset == "network" and index > 0):
            self._reset(self.options.reset, index, memory=self.options.head_velocity == "zero")

    def _learnt(self, index: int, stop: int, steps: int) -> None:
        """A pass is done: test the networks as they are now."""
        due = self._due("test", index)
        last = [name for name in due if not registry.module("measures", name).AXES]
        each = [name for name in due if name not in last]
        found = self._test(index, each + (last if stop == steps else []))
        for name, values in found.items():
            (self.taken if name in last else self.tested).setdefault(name, []).append(values)

    def _test(self, index: int, names: list[str]) -> dict[str, np.ndarray]:
        """Measures of the networks' outputs on the test examples: [r] each."""
        if not names:
            return {}
        predict, rows = self._predict(), []
        if self._tests[0] != index:  # kept: the same after each pass
            self._tests = index, [problem.test(index) for problem in self.problems]
        for r, (inputs, targets) in enumerate(self._tests[1]):
            outputs = predict(r, inputs)
            rows.append([registry.module("measures", name).measure(outputs, targets) for name in names])
        return dict(zip(names, np.array(rows).T, strict=True))

    def _predict(self) -> Callable[[int, np.ndarray], np.ndarray]:
        """The outputs of run r for inputs x: the engine's own way, if it has one."""
        if hasattr(self.trainer, "predict"):
            return self.trainer.predict
        state, algorithm = self.trainer.state(), self.settings["algorithm"]
        return lambda r, x: stacked.predict(algorithm, self.network, stacked.run_of(state, r), x)

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


def check(options: Settings, name: str, problem: Any) -> None:
    """Whether a problem can be learnt in such passes.

    Args:
        name: of the problem.

    Raises:
        Unfit: it has no passes and tests, or its examples do not fill the mini-batches.
    """
    if not hasattr(problem, "test"):
        raise Unfit(
            f"task_epochs: problem '{name}' has no passes and tests (allowed: procedure: task_stream)"
        )
    examples = len(problem.order(0, 0))
    if examples % options.batch_size:
        raise Unfit(
            f"task_epochs: batch_size: {options.batch_size} does not divide the {examples} training examples of a "
            f"task of {name} (set by procedure.batch_size and problem.train_per_class)"
        )


def steps(settings: dict[str, Any], problem: Tested) -> int:
    """Updates of one run in one task."""
    options = registry.parse("procedures", settings["procedure"])
    check(options, settings["problem"]["name"], problem)
    return options.epochs * len(problem.order(0, 0)) // options.batch_size


run = functools.partial(_tasks.run, TaskEpochs)

"""One task, learnt for so many updates, with tests in between: the training loop of the MNIST-1D notebooks.

Every update is on the next mini-batch: contiguous slices of the training examples in their own order, again and again,
or each pass in another order. A measure is taken after the updates number 0, `every`, 2 `every` and so on: update, then
evaluate. So 6,001 updates end with the evaluation at step 6,000.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.learning import engines, tree, views
from perennial.learning.learner import Need, State
from perennial.problems import Size, Task
from perennial.procedures import Cost, Group, Series, _tasks
from perennial.procedures.hooks import reset
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

LENGTH = "updates"
MEASURES = ("test", "train", "weights", "data")
PIECE = 1000  # updates after which a run can be cut


class Settings(Base):
    """Settings of training on one task."""

    batch_size: int = Field(
        100, ge=1, description="examples of one update; must divide the training examples"
    )
    batches: Literal["sequential", "reshuffled"] = switch(
        "sequential",
        "mini-batches: slices of the examples in their own order, or every pass in another random order",
        paper="not mentioned",
        code="slices in order, but for double descent, where every pass is in another order",
    )


class Supervised:
    """One group of runs: a `perennial.procedures.Course`. A piece ends where something is measured or after 1,000."""

    def __init__(self, group: Group) -> None:
        settings = self.settings = group.settings
        self.seeds, self.measures = group.seeds, settings["measures"]
        self.options = registry.parse("procedures", settings["procedure"])
        module, choices = registry.world(settings)
        self.problems = [
            module.Problem(choices, seed, met, group.dataset)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        one = self.problems[0]
        self._check(len(one.task(0).targets))
        self.networks = views.single(_tasks.network(settings, Size(one.inputs, one.outputs, 0)))
        self.learner = engines.learner(group.engine, need(settings), self.networks, group.seeds, group.device)
        reset.network(self.learner, self.networks, group.seeds, 0, settings["precision"])
        self.updates, self.total = 0, settings["length"] * len(group.seeds)
        self.taken: dict[str, list[np.ndarray]] = {name: [] for name in self.measures}  # [r] each

    def _check(self, examples: int) -> None:
        if examples % self.options.batch_size:
            size = self.options.batch_size
            raise Unfit(f"supervised: batch_size: {size} does not divide the {examples} training examples")
        for name in self.measures:
            module = registry.module("measures", name)
            if module.KIND not in MEASURES or module.AXES:
                raise Unfit(f"supervised: measures: {name}: cannot be taken between updates")

    def pieces(self) -> Iterator[int]:
        """Updates in all runs up to the next measurement, or some on the way there."""
        length = self.settings["length"]
        tasks = [self._task(problem) for problem in self.problems]
        while self.updates < length:
            due = [1 + every * math.ceil(self.updates / every) for every in self._everies()]
            begin = self.updates
            stop = min([length, begin + PIECE, *due])
            self.learner.train(tasks, 0, begin, stop)
            self.updates = stop
            if stop in due:
                self._measure(stop - 1)
            yield (stop - begin) * len(self.seeds)

    def _everies(self) -> set[int]:
        return {choice["every"] for choice in self.measures.values()}

    def _task(self, problem: Any) -> Task:
        """All updates of a run as one task."""
        task, size = problem.task(0), self.options.batch_size
        count = self.settings["length"] * size
        if self.options.batches == "sequential":
            order = np.arange(count) % len(task.targets)
        else:
            passes = math.ceil(count / len(task.targets))
            order = np.concatenate([problem.order(0, epoch) for epoch in range(passes)])[:count]
        return replace(task, order=order, batch=size)

    def _measure(self, step: int) -> None:
        due = [name for name, choice in self.measures.items() if step % choice["every"] == 0]
        of_kind = {kind: [n for n in due if kind == registry.module("measures", n).KIND] for kind in MEASURES}
        rows: dict[str, list[float]] = {name: [] for name in due}
        state = self.learner.state() if of_kind["weights"] else None
        for r, problem in enumerate(self.problems):
            task = problem.task(0)
            shown = {"test": lambda p=problem: p.test(0), "train": lambda t=task: (t.inputs, t.targets)}
            for kind in ("test", "train"):
                if of_kind[kind]:
                    inputs, targets = shown[kind]()
                    outputs = self.learner.predict(r, inputs)
                    for name in of_kind[kind]:
                        rows[name].append(registry.module("measures", name).measure(outputs, targets))
            for name in of_kind["data"]:
                rows[name].append(registry.module("measures", name).measure(problem.sequence))
            for name in of_kind["weights"]:
                weights = {key: w[0] for key, w in tree.run_of(state["weights"], r).items()}
                rows[name].append(registry.module("measures", name).measure(weights))
        for name in due:
            self.taken[name].append(np.array(rows[name]))

    def snapshot(self) -> State:
        """The learner, how far it is, and what was measured."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        return {"updates": np.array(self.updates), "taken": taken, "state": self.learner.state()}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        updates = int(kept["updates"])
        if not 0 <= updates <= self.settings["length"]:
            raise ValueError(f"{updates} of {self.settings['length']} updates are done")
        for name, choice in self.measures.items():
            wanted = (math.ceil(updates / choice["every"]), len(self.seeds))
            found = kept["taken"][name].shape if name in kept["taken"] else (0, len(self.seeds))
            if found != wanted:
                raise ValueError(f"{name} has the shape {list(found)}, wanted {list(wanted)}")
        self.updates = updates
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}
        self.learner.load(kept["state"])

    def state(self) -> State:
        """The state of the learner."""
        return self.learner.state()

    def results(self) -> list[Series]:
        """Each measure by the number of the update after which it was taken."""
        found = []
        for name, taken in self.taken.items():
            module, every = registry.module("measures", name), self.measures[name]["every"]
            values = list(np.stack(taken, axis=1))  # [r, point]
            about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
            found.append(Series(name, "step", [np.arange(len(taken)) * every], values, *about))
        return found


def need(settings: dict[str, Any]) -> Need:
    """A mini-batch a step, in pieces of one long task."""
    batch = registry.parse("procedures", settings["procedure"]).batch_size
    return _tasks.need_of(settings, batch, passes=True)


def cost(settings: dict[str, Any]) -> Cost:
    """One update for each unit of the length.

    Raises:
        Unfit: the problem has no tests.
    """
    problem = settings["problem"]["name"]
    if not hasattr(registry.module("problems", problem).Problem, "test"):
        raise Unfit(f"supervised: problem '{problem}' has no tests (allowed: procedure: task_stream)")
    return _tasks.cost_of(settings, 1)


def start(group: Group) -> Supervised:
    """A group of runs before their first update."""
    return Supervised(group)

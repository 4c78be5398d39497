"""Classes join with every task; all so far are learnt in many passes, and the best pass is what stays.

Class-incremental CIFAR-100 (Nature 2024, Fig. 2): 200 passes in mini-batches of 90, a step size that falls three times
within a task, and at its end the weights of the pass with the best validation. What happens at the end of a task and
before the next, in order: back to the best; measures of the stored network on the coming classes; resets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.learning.learner import Need, State
from perennial.learning.losses import NETWORK, LossSpec
from perennial.procedures import Cost, Group, _finite, _tasks
from perennial.procedures.hooks import reset, schedule
from perennial.procedures.hooks.best import Best
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch
from perennial.streams.clock import Clock

LENGTH = "tasks"
MEASURES = ("internals", "test")


class Settings(Base):
    """Settings of learning classes one group after the other."""

    epochs: int = Field(200, ge=1, description="passes over all examples of a task")
    batch_size: int = Field(90, ge=1, description="examples of one update")
    decay_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.3, 0.6, 0.8], description="shares of a task at which the step size becomes smaller"
    )
    decay: float = Field(0.2, gt=0, le=1, description="factor of the step size each time")
    test_every: int = Field(1, ge=1, description="passes between two tests; the last pass is always tested")
    probe_examples: int = Field(
        1000, ge=1, description="images of the coming classes on which units are measured"
    )
    reset: Literal["none", "head", "network"] = Field(
        "none", description="what is drawn afresh before every task but the first"
    )
    heads: Literal["preallocated", "grown"] = switch(
        "preallocated",
        "outputs of classes to come: there from the beginning, where decay shrinks them, or drawn when they join",
        paper="grown: five new outputs are added",
        code="preallocated",
    )
    best_weights: Literal["restored", "not_restored"] = switch(
        "restored",
        "at the end of a task weights and running statistics are those of the pass with the best validation",
        paper="restored",
        code="restored, for all algorithms",
    )
    score: Literal["max_epoch", "at_best_val", "last"] = switch(
        "max_epoch",
        "test accuracy of a task: the best of all its passes, that at the best validation, or that of the last pass",
        paper="not mentioned",
        code="the best of all passes, by the figure's script",
    )
    reset_memory: Literal["kept", "fresh"] = switch(
        "kept",
        "running statistics and velocities of a network that is drawn afresh (reset: network)",
        paper="not mentioned",
        code="kept",
    )


class ClassIncrements(_tasks.Tasks):
    """One group of runs: a `perennial.procedures.Course`. A piece is some steps, or the rest of a pass."""

    kinds = MEASURES

    def __init__(self, group: Group, need: Need) -> None:
        super().__init__(group, need)
        self.total = len(self.seeds) * sum(map(self._steps_of, range(self.settings["length"])))
        self.step = 0  # of the task that is being learnt
        self._begin_task()

    def _begin_task(self) -> None:
        self.best = Best(len(self.seeds))
        self.tested: dict[str, list[np.ndarray]] = {}  # name -> [r] of each test

    def pieces_of(self, index: int) -> Iterator[int]:
        """Learn task number `index`, from where it stands: the steps of each piece."""
        if self.step == 0:
            self._open(index)
        steps, of_pass = self._steps_of(index), self.problems[0].steps(index, self.options.batch_size)
        while self.tasks == index:
            epoch = self.step // of_pass
            stop = min(self.step + (self.learner.piece or of_pass), (epoch + 1) * of_pass)
            done = stop - self.step
            self._learn(index, epoch, stop, of_pass)
            if stop % of_pass == 0 and self._is_tested(epoch):
                self._test_all(index, epoch)
            if stop == steps:
                self._close(index)
            yield done

    def _open(self, index: int) -> None:
        """Measure the stored network on the coming classes; then draw afresh what the settings say."""
        count = self.options.probe_examples
        if self._due("internals", index):
            self._measure_internals(index, [problem.coming(index, count) for problem in self.problems])
        view, algorithm = self.networks.views[NETWORK], self.settings["algorithm"]
        names = {"none": [], "head": reset.head_of(view), "network": list(view.owned)}[self.options.reset]
        if index == 0:
            return
        if self.options.reset == "network" and self.options.reset_memory == "fresh":
            reset.network(self.learner, self.networks, self.seeds, index, self.dtype)
        elif names:
            weights = [name for name in names if name in self.learner.state()["weights"]]
            reset.drawn(self.learner, self.networks, self.seeds, index, weights, algorithm)
        elif self.options.heads == "grown":
            new = slice(self.problems[0].joined(index - 1), self.problems[0].joined(index))
            reset.drawn(self.learner, self.networks, self.seeds, 0, reset.head_of(view), algorithm, new)

    def _learn(self, index: int, epoch: int, stop: int, of_pass: int) -> None:
        """Steps of one pass, up to one of the task."""
        loss = LossSpec("cross_entropy", {"classes": self.problems[0].joined(index)})
        rate = schedule.factor(epoch / self.options.epochs, self.options.decay_at, self.options.decay)
        size, performance = self.options.batch_size, []
        for step in range(self.step, stop):
            shown = [problem.batch(index, epoch, step - epoch * of_pass, size) for problem in self.problems]
            inputs, targets = (np.stack(arrays) for arrays in zip(*shown, strict=True))
            batch = {"inputs": inputs, "targets": targets}
            performance.append(self.learner.step(loss, batch, Clock(self.seeds, index, step), rate))
        ended = self.learner.state() if stop == self._steps_of(index) else None  # before the best come back
        self.diverged = _finite.look(self.diverged, self.steps, np.stack(performance, axis=1), ended)
        self.steps += stop - self.step
        self.step = stop

    def _is_tested(self, epoch: int) -> bool:
        return (epoch + 1) % self.options.test_every == 0 or epoch + 1 == self.options.epochs

    def _test_all(self, index: int, epoch: int) -> None:
        """Validate and test the networks as they are now."""
        accuracy = registry.module("measures", "test_accuracy")
        validation = [
            accuracy.measure(*self._outputs(r, problem.validation(index)))
            for r, problem in enumerate(self.problems)
        ]
        test = len(self.tested.setdefault("validation", []))
        self.tested["validation"].append(np.array(validation))
        if self.options.best_weights == "restored":
            self.best.offer(np.array(validation), test, self.learner)
        names = [name for name in self._due("test", index) if "class" not in self._axes_of(name)]
        for name, values in self._measured(index, epoch, names).items():
            self.tested.setdefault(name, []).append(values)

    def _outputs(self, run: int, shown: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Outputs of the classes so far [b, o], and the labels [b]."""
        outputs = self.learner.predict(run, shown[0])
        return outputs[:, : int(shown[1].max()) + 1], shown[1]

    def _measured(self, index: int, epoch: int, names: list[str]) -> dict[str, np.ndarray]:
        """Measures on the test images, name -> [r, ...]."""
        if not names:
            return {}
        rows = []
        for r, problem in enumerate(self.problems):
            outputs, labels = self._outputs(r, problem.test(index, epoch))
            rows.append([registry.module("measures", name).measure(outputs, labels) for name in names])
        return {name: np.stack([row[k] for row in rows]) for k, name in enumerate(names)}

    def _close(self, index: int) -> None:
        """The task is learnt: back to the best, and how it went."""
        if self.options.best_weights == "restored":
            self.best.restore(self.learner)
        for name in self._due("test", index):
            axes = self._axes_of(name)
            if "class" in axes:
                found = self._measured(index, self.options.epochs - 1, [name])[name]  # [r, class]
                found = np.pad(
                    found, ((0, 0), (0, self.network.widths[-1] - found.shape[1])), constant_values=np.nan
                )
            else:
                tests = np.stack(self.tested[name], axis=1)  # [r, test]
                found = tests if axes else self._score(tests)
            self.taken[name].append(found)
        self.tasks, self.step = index + 1, 0
        self._begin_task()

    def _score(self, tests: np.ndarray) -> np.ndarray:
        """One number [r] of a task from those of its tests [r, test]."""
        if self.options.score == "max_epoch":
            return tests.max(axis=1)
        if self.options.score == "last":
            return tests[:, -1]
        validation = np.stack(self.tested["validation"], axis=1)
        return np.take_along_axis(tests, validation.argmax(axis=1)[:, None], axis=1)[:, 0]

    def snapshot(self) -> State:
        """All that the runs need to go on from here, between two steps."""
        tested = {name: np.stack(found, axis=1) for name, found in self.tested.items()}  # [r, test]
        return {
            **super().snapshot(),
            "step": np.array(self.step),
            "tested": tested,
            "best": self.best.snapshot(),
        }

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs, or says of itself what cannot be.
        """
        tasks, step = int(kept["tasks"]), int(kept["step"])
        before = sum(map(self._steps_of, range(tasks)))
        if not 0 <= tasks <= self.settings["length"] or int(kept["steps"]) != before + step:
            raise ValueError(
                f"{int(kept['steps'])} steps are done, not {tasks} tasks and {step} steps of the next"
            )
        self.tasks, self.steps, self.step = tasks, int(kept["steps"]), step
        if kept["diverged"].shape != (len(self.seeds),):
            raise ValueError(f"it is of {kept['diverged'].size} runs, not {len(self.seeds)}")
        self.diverged = kept["diverged"]
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}
        self.tested = {name: list(found.T) for name, found in kept.get("tested", {}).items()}
        self.best.take(kept.get("best", {}))
        self._check_taken(tasks, step)
        self.learner.load(kept["state"])

    def _check_taken(self, tasks: int, step: int) -> None:
        for name in self.measures:
            started = step > 0 and registry.module("measures", name).KIND == "internals"
            due = sum(self.is_due(name, index) for index in range(tasks + started))
            if len(self.taken[name]) != due or any(
                len(values) != len(self.seeds) for values in self.taken[name]
            ):
                raise ValueError(f"{name} was taken {len(self.taken[name])} times, not {due}")
        passes = step // self.problems[0].steps(tasks, self.options.batch_size) if step else 0
        tests = sum(map(self._is_tested, range(passes)))
        if len(self.tested.get("validation", [])) != tests:
            raise ValueError(f"{len(self.tested.get('validation', []))} tests were made, not {tests}")

    def _axes(self) -> dict[str, int]:
        tests = sum(map(self._is_tested, range(self.options.epochs)))
        return {**super()._axes(), "epoch": tests, "class": self.network.widths[-1]}

    def _axes_of(self, name: str) -> tuple[str, ...]:
        return registry.module("measures", name).AXES

    def _check(self) -> None:
        check(self.options, self.settings)

    def _steps_of(self, index: int) -> int:
        return self.options.epochs * self.problems[0].steps(index, self.options.batch_size)


def check(options: Settings, settings: dict[str, Any]) -> None:
    """Whether problem and measures are such that classes can be learnt in this way.

    Raises:
        Unfit: in one line, what cannot be.
    """
    name = settings["problem"]["name"]
    if not hasattr(registry.module("problems", name).Problem, "joined"):
        raise Unfit(
            f"class_increments: classes of problem '{name}' do not join (allowed: problem: class_incremental)"
        )
    for measure in settings["measures"]:
        if registry.module("measures", measure).KIND not in MEASURES:
            raise Unfit(f"measures: {measure}: is not taken by procedure class_increments")
    examples = _tasks.size_of(settings).examples
    if options.batch_size > examples:
        raise Unfit(
            f"class_increments: batch_size: {options.batch_size} is more than the {examples} examples of the first task"
        )


def need(settings: dict[str, Any]) -> Need:
    """Single steps on mini-batches, with a rate that changes."""
    options = registry.parse("procedures", settings["procedure"])
    return Need(
        {NETWORK: settings["network"]},
        settings["algorithm"],
        LossSpec("cross_entropy"),
        options.batch_size,
        tasks=False,
        schedule=True,
        precision=settings["precision"],
        tf32=settings.get("gpu_precision") == "tf32",
    )


def cost(settings: dict[str, Any]) -> Cost:
    """One update for each mini-batch of all passes; what is remembered comes with the best weights so far.

    Raises:
        Unfit: as for `check`.
    """
    options = registry.parse("procedures", settings["procedure"])
    check(options, settings)
    first = _tasks.size_of(settings).examples
    steps = sum(
        options.epochs * (first * (index + 1) // options.batch_size) for index in range(settings["length"])
    )
    shapes = _tasks.network(settings, _tasks.size_of(settings)).shapes
    weights = sum(math.prod(shape) for shape in shapes)
    return Cost(steps, 2 * (_tasks.COPIES + 1) * weights * np.dtype(settings["precision"]).itemsize, weights)


def start(group: Group) -> ClassIncrements:
    """A group of runs before the first task."""
    return ClassIncrements(group, need(group.settings))

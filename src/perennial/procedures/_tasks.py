"""What procedures that go from task to task share: resets, measures, pieces of a task, and snapshots.

The runs of a group move in step, but nothing passes between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from perennial import registry
from perennial.learning import engines
from perennial.learning.engines import stacked
from perennial.problems import Arrays, Problem, Task
from perennial.procedures import Keeper, Measurement, Outcome, Progress
from perennial.settings import Unfit


class Tasks:
    """One group of runs on its way through the tasks. A procedure may do otherwise what stands at the end.

    Args:
        settings: canonical settings of the variant.
        seeds: of the runs, in the order of axis r.
        sequences: what each seed will meet.
        dataset: arrays of the data set, if the problem has one.
        engine: one of `engines.NAMES`.
        device: "cpu" or "cuda".
    """

    def __init__(
        self,
        settings: dict[str, Any],
        seeds: list[int],
        sequences: list[Arrays],
        dataset: Arrays | None,
        engine: str,
        device: str = "cpu",
    ) -> None:
        self.settings, self.seeds = settings, seeds
        self.dtype, self.measures = settings["precision"], settings["measures"]
        module = registry.module("problems", settings["problem"]["name"])
        choices = registry.parse("problems", settings["problem"])
        self.problems: list[Problem] = [
            module.Problem(choices, seed, sequence, dataset)
            for seed, sequence in zip(seeds, sequences, strict=True)
        ]
        one = self.problems[0]
        network, shape = registry.module("networks", settings["network"]["name"]), getattr(one, "shape", None)
        self.network = network.Network(
            registry.parse("networks", settings["network"]), one.inputs, one.outputs, shape
        )
        self.options = registry.parse("procedures", settings["procedure"])
        self._check()
        self.trainer = engines.trainer(engine, settings, one, self.network, seeds, device)
        self.trainer.load({"weights": self._fresh(0)})
        self.taken: dict[str, list[np.ndarray]] = {name: [] for name in self.measures}
        self.tasks, self.steps = 0, 0  # done so far
        self.performance: list[np.ndarray] = []  # of the task that is being learnt, by piece: [r, steps]

    def task(self, index: int) -> None:
        """Measure, then learn task number `index`."""
        for _ in self.pieces(index):
            pass

    def pieces(self, index: int) -> Iterator[int]:
        """The same in pieces, from where the task stands: the steps of each. Between two, runs can be cut."""
        tasks = [self._task(problem, index) for problem in self.problems]
        steps, begin = tasks[0].steps, sum(piece.shape[1] for piece in self.performance)
        if begin == 0:
            self._begin(index)
            self._measure_internals(index, tasks)
        piece = self._piece(steps)
        for start in range(begin, steps, piece):
            stop = min(start + piece, steps)
            self.performance.append(self.trainer.train(tasks, index, start, stop))
            self.steps += stop - start
            self._learnt(index, stop, steps)
            if stop == steps:
                self._close(index)
            yield stop - start

    def _close(self, index: int) -> None:
        """The task is learnt: how well it went."""
        performance = self._performance()
        for name in self._due("performance", 0):
            self.taken[name].append(registry.module("measures", name).measure(performance))
        self.tasks, self.performance = index + 1, []

    def _performance(self) -> np.ndarray:
        """[r, steps] of the task so far."""
        one, *more = self.performance
        return np.concatenate([one, *more], axis=1) if more else one

    def outcome(self) -> Outcome:
        """Everything measured, and the last state."""
        found = {name: self._measurement(name) for name in self.measures}
        return Outcome(found, self.trainer.state(), self.steps)

    def snapshot(self) -> dict[str, Any]:
        """All that the runs need to go on from here, between two tasks or pieces of one."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        done = {"tasks": np.array(self.tasks), "steps": np.array(self.steps)}
        begun = {"performance": self._performance()} if self.performance else {}
        return {**done, **begun, "taken": taken, "state": self.trainer.state()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.tasks, self.steps = int(kept["tasks"]), int(kept["steps"])
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}
        self.performance = [kept["performance"]] if "performance" in kept else []
        self.trainer.load(kept["state"])

    def _fresh(self, task: int) -> dict[str, np.ndarray]:
        """Initial weights of all runs, [r, ...]."""
        runs = [self.network.init(seed, task, self.dtype) for seed in self.seeds]
        return {name: np.stack([run[name] for run in runs]) for name in runs[0]}

    def _reset(self, what: str, index: int, memory: bool = False) -> None:
        """Start the network, or its head, afresh. A reset head starts from zero, as Continual ImageNet's does.

        Args:
            what: "network" or "head".
            index: of the task.
            memory: what the optimiser remembers of the head becomes zero too.
        """
        if what == "network":
            self.trainer.load({"weights": self._fresh(index)})
            return
        state, last = self.trainer.state(), self.network.layers - 1
        kept = [memories for memories in state["optimiser"].values() if isinstance(memories, dict)]
        for arrays in (state["weights"], *(kept if memory else [])):
            for kind in ("weight", "bias"):
                arrays[f"{kind}_{last}"][:] = 0
        self.trainer.load(state)

    def _due(self, kind: str, index: int) -> list[str]:
        """Measures of a kind that are taken now. Those that are averaged over tasks are taken at every task."""
        return [
            name
            for name, choice in self.measures.items()
            if kind == registry.module("measures", name).KIND
            and (_binned(name) or index % choice["every"] == 0)
        ]

    def _measure_internals(self, index: int, tasks: list[Task]) -> None:
        due = self._due("internals", index)
        if not due:
            return
        state = self.trainer.state()
        rows: dict[str, list[np.ndarray]] = {name: [] for name in due}
        for r, (problem, task) in enumerate(zip(self.problems, tasks, strict=True)):
            own = stacked.run_of(state, r)  # run by run: never mixed
            x = problem.probe(task).astype(self.dtype)
            shown = stacked.probe(self.settings["algorithm"], self.network, own, x)
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

    def _measurement(self, name: str) -> Measurement:
        module, every = registry.module("measures", name), self.measures[name]["every"]
        values = np.stack(self.taken[name], axis=1)  # [r, task, *axes]
        if _binned(name):  # bins of `every` tasks; an unfinished last bin is dropped
            bins = values.shape[1] // every
            values = values[:, : bins * every].reshape(len(values), bins, every).mean(axis=2)
        one = self.problems[0]
        first = [one.coordinate(k * every) for k in range(values.shape[1])]
        coordinates = {one.axis: np.array(first)}
        coordinates |= {axis: np.arange(1, values.shape[2] + 1) for axis in module.AXES}
        about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
        return Measurement(values, (one.axis, *module.AXES), coordinates, *about)

    # ---- what a procedure may do otherwise

    def _check(self) -> None:
        """Whether problem and measures are such that the procedure can go through with them.

        Raises:
            Unfit: in one line, what cannot be.
        """
        for name in self.measures:
            if registry.module("measures", name).KIND not in ("performance", "internals"):
                raise Unfit(f"measures: {name}: there are no tests (needs procedure: task_epochs)")

    def _task(self, problem: Any, index: int) -> Task:
        """Task number `index`, with all that its run is shown of it."""
        return problem.task(index)

    def _piece(self, steps: int) -> int:
        """The task is learnt in pieces of so many of its steps."""
        return self.trainer.piece or steps

    def _begin(self, index: int) -> None:
        """Before the task is measured and learnt."""

    def _learnt(self, index: int, stop: int, steps: int) -> None:
        """The task is learnt up to step `stop` of its steps, the end of a piece."""


def _binned(name: str) -> bool:
    """Whether a measure is averaged over tasks; others are taken of some tasks only."""
    module = registry.module("measures", name)
    return module.KIND != "internals" and not module.AXES


def run(
    make: type[Tasks],
    settings: dict[str, Any],
    seeds: list[int],
    sequences: list[Arrays],
    dataset: Arrays | None,
    engine: str,
    progress: Progress,
    device: str = "cpu",
    keeper: Keeper | None = None,
) -> Outcome:
    """Train the runs of `seeds` together, from the first task, or where they were kept, to the last."""
    runs = make(settings, seeds, sequences, dataset, engine, device)
    kept = keeper.kept() if keeper else None
    if kept is not None:
        runs.restore(kept)
    for index in range(runs.tasks, settings["length"]):
        for steps in runs.pieces(index):
            progress(steps * len(seeds))
            if keeper:
                keeper.offer(runs.steps, runs.snapshot, finished=runs.tasks == settings["length"])
    return runs.outcome()

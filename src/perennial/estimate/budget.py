"""The budget: for each experiment and for all of them what is to be done, what it costs, how long it takes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from perennial.config import Study
from perennial.dag import planning
from perennial.estimate import costs, gpu, kinds, memo, overheads
from perennial.estimate.costs import Expense, Source
from perennial.estimate.dry_run import Job
from perennial.estimate.kinds import Kind
from perennial.estimate.timings import Timings


@dataclass
class Row:
    """The budget of one target."""

    name: str
    to_do: list[Job]
    done: list[Job]
    steps: int = 0  #: run-steps to do
    steps_done: int = 0
    cpu: float = 0.0  #: seconds
    gpu: float | None = None  #: seconds on a GPU of all that has a figure there
    gpu_of: int = 0  #: run-steps that have one
    memory: int = 0
    files: float = 0.0
    sequences: float = 0.0
    checkpoints: int = 0
    chain: float = 0.0  #: seconds with as many cores as there are jobs
    wall: float = 0.0  #: seconds on the given cores
    unknown: int = 0  #: blocks whose cost is not known

    def count(self, rule: str) -> tuple[int, int]:
        """Jobs to do and done."""
        to_do, done = (sum(job.rule == rule for job in jobs) for jobs in (self.to_do, self.done))
        return to_do, done


@dataclass
class Budget:
    """Everything a plan says.

    Args:
        study: the validated config.
        jobs: those that are looked at; their kinds are timed.
        timings: of this machine.
        cores: that would work.
    """

    study: Study
    jobs: list[Job]
    timings: Timings
    cores: int
    sources: dict[Kind, Source | None] = field(init=False)

    def __post_init__(self) -> None:
        self.planner = planning.Planner(self.study)
        self._kinds: dict[str, Kind] = {}  # by output
        self.weights: dict[Kind, int] = {}
        work: Counter[Kind] = Counter()
        settings: dict[Kind, dict[str, Any]] = {}
        for job in self.jobs:
            if job.rule == "train":
                kind, own = self._kind(job), self._settings(job)
                run = kinds.cost_of_run(own)
                self.weights[kind] = run.weights
                settings.setdefault(kind, own)
                work[kind] += run.weights * run.steps * len(job.seeds)
        self.timings.rehearse(dict(work), settings)
        self.sources = {kind: costs.source(kind, self.timings, self.weights) for kind in work}
        for kind, found in self.sources.items():
            if found and found.like:  # for training jobs that ask a cluster for time and memory
                self.timings.known.put(memo.name_of_taken(kind.key, settings[kind]), asdict(found.measured))
        self.gpu_table = gpu.read()

    def row(self, name: str, to_do: list[Job], done: Iterable[Job] = ()) -> Row:
        """The budget of some of the jobs.

        Args:
            name: of the row.
            to_do: jobs that are among those looked at.
            done: jobs that cost nothing any more.
        """
        row = Row(name, to_do, list(done))
        row.steps_done = sum(self._run_steps(job) for job in row.done if job.rule == "train")
        trained = [job for job in to_do if job.rule == "train"]
        known = [found for job in trained if (found := self.block(job))]
        others = [(job.rule, *self._other(job)) for job in to_do if job.rule != "train"]
        seconds = sum(taken for _, taken, _ in others)
        row.steps = sum(map(self._run_steps, trained))
        row.unknown = len(trained) - len(known)
        row.cpu = sum(block.cpu for block in known) + seconds
        row.sequences = sum(n for rule, _, n in others if rule == "sequences")
        row.files = sum(block.files for block in known) + sum(n for _, _, n in others) - row.sequences
        row.memory = max((block.memory for block in known), default=0)
        row.checkpoints = sum(heapq.nlargest(self.cores, (block.checkpoints for block in known)))
        row.chain = max((block.cpu for block in known), default=0.0) + _longest(others)
        row.wall = max(row.chain, schedule([block.cpu for block in known], self.cores) + seconds / self.cores)
        self._on_gpu(row, trained)
        return row

    def block(self, job: Job) -> Expense | None:
        """What a block costs; None when its kind is not known."""
        kind = self._kind(job)
        found = self.sources[kind]
        return costs.train(self._settings(job), kind, len(job.seeds), found, self.timings) if found else None

    def _settings(self, job: Job) -> dict[str, Any]:
        return self.study.settings(*job.pair)

    def _kind(self, job: Job) -> Kind:
        path, study = job.outputs[0], self.study
        if path not in self._kinds:
            self._kinds[path] = kinds.kind_of(self._settings(job), study.engine, study.device, len(job.seeds))
        return self._kinds[path]

    def _run_steps(self, job: Job) -> int:
        return kinds.cost_of_run(self._settings(job)).steps * len(job.seeds)

    def _other(self, job: Job) -> tuple[float, float]:
        """CPU seconds and bytes of a job that does not train."""
        start = self.timings.stages[job.rule]
        if job.rule == "sequences":
            own = self.study.settings(*self.planner.users(job.wildcards["sequence"])[0])
            (seconds, size), tasks = self.timings.sequence(own), own["length"] * len(job.seeds)
            return start + seconds * tasks, size * tasks
        if job.rule == "metrics":
            own, seeds = self._settings(job), len(self.study.seeds(*job.pair))
            gathering = overheads.GATHERING * seeds * len(own["measures"])
            return start + gathering, costs.metrics_file(own, seeds)
        return start, 0.0

    def _on_gpu(self, row: Row, trained: list[Job]) -> None:
        """Add up the seconds of a GPU, where its table has the algorithm."""
        for job in trained:
            own = self._settings(job)
            weights, run_steps = kinds.cost_of_run(own).weights, self._run_steps(job)
            seconds = gpu.seconds_per_run_step(self.gpu_table, own, weights)
            if seconds is not None:
                row.gpu = (row.gpu or 0.0) + seconds * run_steps
                row.gpu_of += run_steps


def _longest(others: list[tuple[str, float, float]]) -> float:
    """Seconds of one job of each stage after the other, each time the longest."""
    longest = dict.fromkeys(overheads.STAGES, 0.0)
    for rule, seconds, _ in others:
        longest[rule] = max(longest[rule], seconds)
    longest["figure"] = max(longest["figure"], longest.pop("claim"))  # side by side
    return sum(longest.values())


def schedule(seconds: list[float], cores: int) -> float:
    """When the last of the jobs ends, if each core takes the next job in turn."""
    free = [0.0] * max(cores, 1)
    for job in seconds:
        heapq.heapreplace(free, free[0] + job)
    return max(free)

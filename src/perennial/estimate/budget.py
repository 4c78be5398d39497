"""The budget: for each experiment and for all of them what is to be done, what it costs, how long it takes."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from perennial import procedures
from perennial.config import Study
from perennial.dag import blocks
from perennial.estimate import costs, gpu, kinds
from perennial.estimate.costs import Cost, Source
from perennial.estimate.jobs import STAGES, Inventory, Job
from perennial.estimate.kinds import Kind
from perennial.estimate.timings import Timings
from perennial.learning import engines


@dataclass
class Row:
    """The budget of one target."""

    name: str
    jobs: list[Job]
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

    def count(self, stage: str) -> tuple[int, int]:
        """Jobs to do and done."""
        found = [bool(job.reason) for job in self.jobs if job.stage == stage]
        return sum(found), len(found) - sum(found)


@dataclass
class Budget:
    """Everything a plan says.

    Args:
        study: the validated config.
        inventory: of the experiments that are looked at.
        timings: of this machine.
        cores: that would work.
        past: count what is done as if it were to be done, to compare with what was recorded.
    """

    study: Study
    inventory: Inventory
    timings: Timings
    cores: int
    past: bool = False
    sources: dict[Kind, Source | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._blocks = [job for job in self.inventory.jobs() if job.stage == "train"]
        self._kinds = {job.path: self._kind(job) for job in self._blocks}
        self.weights: dict[Kind, int] = {}
        work: Counter[Kind] = Counter()
        settings: dict[Kind, dict[str, Any]] = {}
        for job in filter(self._counts, self._blocks):
            kind, own = self._kinds[job.path], self._settings(job)
            weights, steps = self.timings.size(own)
            self.weights[kind] = weights
            settings.setdefault(kind, own)
            work[kind] += weights * steps * own["length"] * _seeds(job)
        self.timings.rehearse(dict(work), settings)
        self.sources = {kind: costs.source(kind, self.timings, self.weights) for kind in work}
        self.gpu_table = gpu.read()

    def row(self, name: str, targets: Iterable[str]) -> Row:
        """The budget of some experiments that are asked for together."""
        row = Row(name, self.inventory.jobs(targets))
        costs_of = [(job, self.cost(job)) for job in row.jobs if job.stage == "train"]
        row.steps_done = sum(self._run_steps(job) for job, _ in costs_of if not self._counts(job))
        trained = [(job, cost) for job, cost in costs_of if self._counts(job)]
        row.steps = sum(self._run_steps(job) for job, _ in trained)
        known = [cost for _, cost in trained if cost]
        row.unknown = len(trained) - len(known)
        others = [(job, self._other(job)) for job in row.jobs if job.stage != "train" and self._counts(job)]
        row.cpu = sum(cost.cpu for cost in known) + sum(seconds for _, (seconds, _) in others)
        row.files = sum(cost.files for cost in known) + sum(
            n for job, (_, n) in others if job.stage != "sequences"
        )
        row.sequences = sum(n for job, (_, n) in others if job.stage == "sequences")
        row.memory = max((cost.memory for cost in known), default=0)
        row.checkpoints = sum(heapq.nlargest(self.cores, (cost.checkpoints for cost in known)))
        row.chain = max((cost.cpu for cost in known), default=0.0) + self._longest(others)
        row.wall = max(
            row.chain,
            schedule([c.cpu for c in known], self.cores) + sum(s for _, (s, _) in others) / self.cores,
        )
        self._on_gpu(row, trained)
        return row

    def cost(self, job: Job) -> Cost | None:
        """What a block costs; None when its kind is not known, or when it is done and not asked about."""
        if not self._counts(job):
            return None
        kind, own = self._kinds[job.path], self._settings(job)
        weights, steps = self.timings.size(own)
        return costs.train(own, kind, _seeds(job), steps, weights, self.sources[kind], self.timings)

    def _counts(self, job: Job) -> bool:
        return bool(job.reason) or self.past

    def _settings(self, job: Job) -> dict[str, Any]:
        return self.study.settings(job.experiments[0], job.variant)

    def _kind(self, job: Job) -> Kind:
        """As it runs on a CPU, if it can: seconds of a GPU come from its own table."""
        settings, device = self._settings(job), self.study.device
        engine = engines.choose(
            procedures.need(settings), self.study.engine, "cpu" if device == "auto" else device
        )
        return kinds.kind_of(
            settings, engine, engines.device_of(engine, "cpu" if device == "auto" else device), _seeds(job)
        )

    def _run_steps(self, job: Job) -> int:
        own = self._settings(job)
        return self.timings.size(own)[1] * own["length"] * _seeds(job)

    def _other(self, job: Job) -> tuple[float, float]:
        """CPU seconds and bytes of a job that does not train."""
        start = self.timings.overheads.stages[job.stage]
        if job.stage == "sequences":
            experiment, variant = self.inventory.planner.users(job.path.parent.name)[0]
            own, seeds = self.study.settings(experiment, variant), _seeds(job)
            seconds, size = self.timings.sequence(own)
            return start + seconds * own["length"] * seeds, size * own["length"] * seeds
        if job.stage == "metrics":
            own, seeds = self._settings(job), len(self.study.seeds(job.experiments[0]))
            return costs.summary(own, seeds, self.timings), costs.metrics_file(own, seeds, self._values(job))
        return start, 0.0

    def _values(self, job: Job) -> dict[str, int]:
        """How many numbers each measure of a variant gives, as far as its kind is known."""
        for block in self._blocks:
            if (block.experiments, block.variant) == (job.experiments, job.variant):
                found = self.sources.get(self._kinds[block.path])
                return found.measured.values if found else {}
        return {}

    def _longest(self, others: list[tuple[Job, tuple[float, float]]]) -> float:
        """One job of each stage after the other: the longest."""
        longest = {stage: 0.0 for stage in STAGES}
        for job, (seconds, _) in others:
            longest[job.stage] = max(longest[job.stage], seconds)
        longest["figure"] = max(longest["figure"], longest.pop("claim"))  # side by side
        return sum(longest.values())

    def _on_gpu(self, row: Row, trained: list[tuple[Job, Cost | None]]) -> None:
        """Add up the seconds of a GPU, where its table has the algorithm."""
        for job, _ in trained:
            own = self._settings(job)
            seconds = gpu.seconds_per_run_step(self.gpu_table, own, self.timings.size(own)[0])
            if seconds is not None:
                row.gpu = (row.gpu or 0.0) + seconds * self._run_steps(job)
                row.gpu_of += self._run_steps(job)


def schedule(seconds: list[float], cores: int) -> float:
    """When the last of the jobs ends, if each core takes the next job in turn."""
    free = [0.0] * max(cores, 1)
    for job in seconds:
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def _seeds(job: Job) -> int:
    if job.block is None:
        found = blocks.NAME.fullmatch(job.path.name)
        assert found is not None
        return len(blocks.seeds_of((int(found[1]), int(found[2]))))
    return len(blocks.seeds_of(job.block))

"""The plan held against the CPU seconds that finished blocks recorded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from perennial.config import Study
from perennial.estimate.budget import Budget
from perennial.estimate.dry_run import Job
from perennial.estimate.jobs import finished_blocks
from perennial.estimate.table import duration, size
from perennial.estimate.timings import Timings
from perennial.files import store


@dataclass
class Sums:
    """Over the blocks of one experiment."""

    blocks: int = 0
    planned: float = 0.0
    recorded: float = 0.0
    memory: int = 0
    memory_recorded: int = 0

    def add(self, other: Sums) -> None:
        """Count other blocks too."""
        self.blocks += other.blocks
        self.planned += other.planned
        self.recorded += other.recorded
        self.memory = max(self.memory, other.memory)
        self.memory_recorded = max(self.memory_recorded, other.memory_recorded)


def lines(study: Study, names: list[str], timings: Timings) -> list[str]:
    """One line for each experiment that has finished blocks. What they recorded includes compiling."""
    blocks = finished_blocks(study, names)
    budget = Budget(study, blocks, timings, cores=1)
    found: dict[str, Sums] = defaultdict(Sums)
    for job in blocks:
        if one := _sums(budget, job):
            found[job.pair[0]].add(one)
    if not found:
        return ["no finished blocks to compare with"]
    if len(found) > 1:
        whole = Sums()
        for sums in found.values():
            whole.add(sums)
        found["all"] = whole
    return [
        f"{name}: {sums.blocks} finished blocks: planned {duration(sums.planned)} CPU, recorded "
        f"{duration(sums.recorded)} ({sums.planned / sums.recorded:.2f} x); memory planned {size(sums.memory)}, "
        f"recorded {size(sums.memory_recorded)}"
        for name, sums in found.items()
    ]


def _sums(budget: Budget, job: Job) -> Sums | None:
    expense = budget.block(job)
    if expense is None:
        return None
    with store.open_checked(job.outputs[0]) as file:
        seconds, memory = float(file.attrs["cpu_seconds"]), int(file.attrs["peak_memory_bytes"])
    before = budget.timings.stages["train"]  # is not recorded
    return Sums(1, expense.cpu - before, seconds, expense.memory, memory)

"""The plan held against the CPU seconds that finished blocks recorded."""

from __future__ import annotations

from dataclasses import dataclass

from perennial.estimate.budget import Budget
from perennial.estimate.table import duration, size
from perennial.files import store


@dataclass
class Sums:
    """Over the blocks of one experiment."""

    blocks: int = 0
    planned: float = 0.0
    recorded: float = 0.0
    memory: int = 0
    memory_recorded: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.blocks + other.blocks,
            self.planned + other.planned,
            self.recorded + other.recorded,
            max(self.memory, other.memory),
            max(self.memory_recorded, other.memory_recorded),
        )


def lines(budget: Budget, names: list[str]) -> list[str]:
    """One line for each experiment that has finished blocks. What they recorded includes compiling."""
    found = {name: _sums(budget, name) for name in names}
    found = {name: sums for name, sums in found.items() if sums.blocks}
    if not found:
        return ["no finished blocks to compare with"]
    if len(found) > 1:
        found["all"] = sum(found.values(), Sums())
    return [
        f"{name}: {sums.blocks} finished blocks: planned {duration(sums.planned)} CPU, recorded "
        f"{duration(sums.recorded)} ({sums.planned / sums.recorded:.2f} x); memory planned {size(sums.memory)}, "
        f"recorded {size(sums.memory_recorded)}"
        for name, sums in found.items()
    ]


def _sums(budget: Budget, name: str) -> Sums:
    sums = Sums()
    for job in budget.inventory.jobs([name]):
        if job.stage != "train" or not job.path.is_file() or store.check(job.path):
            continue
        with store.open_checked(job.path) as file:
            seconds, memory = float(file.attrs["cpu_seconds"]), int(file.attrs["peak_memory_bytes"])
        if cost := budget.cost(job):
            sums += Sums(1, cost.cpu - budget.timings.overheads.stages["train"], seconds, cost.memory, memory)
    return sums

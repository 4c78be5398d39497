"""The plan held against the CPU seconds and the memory that finished blocks recorded."""

from __future__ import annotations

from perennial.config import Study
from perennial.estimate.budget import Budget
from perennial.estimate.jobs import finished_blocks
from perennial.estimate.table import duration, size
from perennial.estimate.timings import Timings
from perennial.files import store

Pair = tuple[float, float, int, int]  #: of a block: seconds planned and recorded, bytes planned and recorded


def lines(study: Study, names: list[str], timings: Timings) -> list[str]:
    """One line for each experiment that has finished blocks. What they recorded includes compiling."""
    jobs = finished_blocks(study, names)
    budget = Budget(study, jobs, timings, cores=1)
    found: dict[str, list[Pair]] = {}
    for job in jobs:
        if expense := budget.block(job):
            with store.open_checked(job.outputs[0]) as file:
                seconds, memory = float(file.attrs["cpu_seconds"]), int(file.attrs["peak_memory_bytes"])
            planned = expense.cpu - timings.stages["train"]  # which is not recorded
            found.setdefault(job.pair[0], []).append((planned, seconds, expense.memory, memory))
    if len(found) > 1:
        found["all"] = [pair for pairs in found.values() for pair in pairs]
    return [_line(name, pairs) for name, pairs in found.items()] or ["no finished blocks to compare with"]


def _line(name: str, pairs: list[Pair]) -> str:
    planned, recorded, memory, peak = zip(*pairs, strict=True)
    return (
        f"{name}: {len(pairs)} finished blocks: planned {duration(sum(planned))} CPU, recorded "
        f"{duration(sum(recorded))} ({sum(planned) / sum(recorded):.2f} x); memory planned {size(max(memory))}, "
        f"recorded {size(max(peak))}"
    )

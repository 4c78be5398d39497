"""The budget as a table for a terminal."""

from __future__ import annotations

from perennial.estimate.budget import Row

HEADS = (
    "experiment", "blocks", "sequences", "metrics", "figures", "claims", "run-steps", "CPU", "memory", "results",
    "drawn", "checkpoints", "chain", "on {cores}",
)  # fmt: skip
LEGEND = (
    "to do, and +done; CPU: of one core; memory: the largest job; results, drawn (sequences), checkpoints (at most): "
    "disk;",
    "chain: the time with unlimited cores; the last column: the time on as many as are named there.",
)


def lines(rows: list[Row], cores: int) -> list[str]:
    """The table, a line for each row, with a legend."""
    gpu = any(row.gpu is not None for row in rows)
    heads = [head.format(cores=f"{cores} core{'s' * (cores != 1)}") for head in HEADS] + ["GPU"] * gpu
    cells = [heads, *(_cells(row) + [_gpu(row)] * gpu for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in cells
    ]
    return [padded[0], "-" * len(padded[0]), *padded[1:], "", *LEGEND]


def _cells(row: Row) -> list[str]:
    stages = [_count(*row.count(stage)) for stage in ("train", "sequences", "metrics", "figure", "claim")]
    least = "> " if row.unknown else ""
    sizes = [size(n) for n in (row.files, row.sequences, row.checkpoints)]
    steps = amount(row.steps) + (f" +{amount(row.steps_done)}" if row.steps_done else "")
    times = [least + duration(seconds) for seconds in (row.chain, row.wall)]
    return [row.name, *stages, steps, least + duration(row.cpu), least + size(row.memory), *sizes, *times]


def _gpu(row: Row) -> str:
    if row.gpu is None:
        return "-"
    return duration(row.gpu) + ("" if row.gpu_of == row.steps else f" for {row.gpu_of / row.steps:.0%}")


def _count(to_do: int, done: int) -> str:
    return f"{to_do} +{done}" if done else str(to_do)


def amount(n: float) -> str:
    """1,234, 56.7 M, 8.9 G."""
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if n >= unit:
            return f"{n / unit:,.3g} {name}" if n < 1000 * unit else f"{n / unit:,.0f} {name}"
    return f"{n:,.0f}"


def size(n: float) -> str:
    """Bytes for people: 0, 12 KB, 3.4 MB, 56 GB."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
        if n >= unit:
            return f"{n / unit:.2g} {name}" if n < 100 * unit else f"{n / unit:,.0f} {name}"
    return f"{n:.0f}"


def duration(seconds: float) -> str:
    """A time for people, in the unit of its size, hours at most: 45 s, 12 min, 3.2 h, 1,230 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 5940:
        return f"{seconds / 60:.0f} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 100 else f"{hours:,.0f} h"

"""What it costs to compile loops for x86-64-v3 instead of the CPU at hand, on the permuted digits.

    python benchmarks/portable.py [--before FOLDER]     writes benchmarks/portable.md

The ways take turns, each in a process of its own. `--before` names a checkout of an earlier state of this repository,
whose loops are measured too, compiled for the same instructions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

ROUNDS = 7
HERE = Path(__file__)
TABLE = HERE.with_suffix(".md")
PORTABLE, AT_HAND, BEFORE, BEFORE_AT_HAND = "x86-64-v3", "this CPU", "before", "before, this CPU"
#: The study's own variants, and two more.
ALGORITHMS: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", "step_size": 0.01},
    "L2": {"name": "l2", "step_size": 0.01, "weight_decay": 3e-4},
    "S&P, sum4": {
        "name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 1e-3, "noise_std": 1e-3, "noise": "sum4",
    },
    "S&P, gaussian": {"name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 1e-3, "noise_std": 1e-3},
    "CBP": {"name": "cbp", "step_size": 0.01, "replacement_rate": 1e-4, "maturity_threshold": 100},
    "Adam": {"name": "adam", "step_size": 0.001},
}  # fmt: skip


def work(way: str) -> None:
    """Answer each algorithm's name on standard input with its microseconds a step, until the input ends."""
    from bench import digits

    if way == AT_HAND:
        from perennial.files import compilation

        compilation.compile_for(portable=False)
    bench, ready = digits(), {}
    for line in sys.stdin:
        name = line.strip()
        if name not in ready:
            ready[name] = bench._fused(ALGORITHMS[name], with_data=False)
            ready[name]()  # compiles
        start = time.process_time()
        steps = ready[name]()
        print((time.process_time() - start) / steps * 1e6, flush=True)


class Worker:
    """A process that measures one way."""

    def __init__(self, way: str, root: Path) -> None:
        given = {**os.environ, "PYTHONPATH": str(root / "src")}
        if way == BEFORE:
            given |= {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
        command = [sys.executable, str(HERE), "--worker", way]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=given, text=True, bufsize=1, **pipes)

    def ask(self, algorithm: str) -> float:
        """Microseconds a step."""
        self.process.stdin.write(algorithm + "\n")
        return float(self.process.stdout.readline())


def table(before: Path | None) -> list[str]:
    """The rows as markdown."""
    own = HERE.resolve().parents[1]
    workers = {PORTABLE: Worker(PORTABLE, own), AT_HAND: Worker(AT_HAND, own)}
    if before:
        workers |= {way: Worker(way, before.resolve()) for way in (BEFORE, BEFORE_AT_HAND)}
    heads = (
        [f"{way}, µs" for way in workers]
        + [f"{PORTABLE} / {AT_HAND}"]
        + [f"{BEFORE} / {PORTABLE}"] * bool(before)
    )
    lines = ["| algorithm | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for name in ALGORITHMS:
        found: dict[str, list[float]] = {way: [] for way in workers}
        for turn in range(ROUNDS + 1):  # the first one warms up
            for way, worker in workers.items():
                time_of_step = worker.ask(name)
                found[way] += [time_of_step] if turn else []
        pairs = [(PORTABLE, AT_HAND), *([(BEFORE, PORTABLE)] if before else [])]
        ratios = [
            statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))
            for one, other in pairs
        ]
        cells = [f"{statistics.median(values):.3g}" for values in found.values()] + [
            f"{r:.2f}" for r in ratios
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def main() -> None:
    """Measure, or be one of those who are measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--worker")
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return
    from perennial.files import provenance

    head = [
        "# What portable loops cost",
        "",
        "Made by `python benchmarks/portable.py`. Permuted digits, 64-100-100-100-10: CPU microseconds of a step, one",
        f"thread, medians of {ROUNDS} interleaved rounds; ratios are medians of the rounds' ratios. Both ways give",
        "the same bits. *before*: loops with fast mathematics, whose sums depended on the CPU.",
        "",
        f"Machine: {provenance.device()}.",
        "",
    ]
    TABLE.write_text("\n".join([*head, *table(options.before)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""First tasks of permuted MNIST at the published width of 2,000 against the published curves.

The article's Adam step size is not certain: 1e-4, 5e-5 and 3e-5 stand in the authors' configuration. Here each
learns the first two tasks of one seed, and backpropagation the first, and docs/first_tasks.md says which is
nearest to the published curve. Takes an hour of one core or more.

    PERENNIAL_DATA=folder python benchmarks/first_tasks.py
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported
from perennial import datasets, registry
from perennial.files import provenance
from perennial.procedures import Group, task_stream

TABLE = Path(__file__).parents[1] / "docs" / "first_tasks.md"
SEED, WIDTH = 0, 2000
# Published online accuracy of tasks 1 and 2, percent (Extended Data Fig. 4a, digitised).
PUBLISHED = {"adam": [94.54, 94.33], "backprop": [94.10]}
RUNS: list[tuple[dict[str, Any], int]] = [
    ({"name": "adam", "step_size": 1e-4}, 2),
    ({"name": "adam", "step_size": 5e-5}, 2),
    ({"name": "adam", "step_size": 3e-5}, 2),
    ({"name": "backprop", "step_size": 0.003}, 1),
]  # algorithm, tasks


@dataclass
class Result:
    """One run."""

    algorithm: dict[str, Any]
    accuracy: list[float]  # of each task, percent
    step_ms: float  # CPU time
    minutes: float  # wall

    def gaps(self) -> list[float]:
        """Ours minus published, for each task."""
        return [a - b for a, b in zip(self.accuracy, PUBLISHED[self.algorithm["name"]], strict=True)]


def settings(algorithm: dict[str, Any], tasks: int) -> dict[str, Any]:
    """Settings of a run with all defaults written out."""
    hyper = registry.parse("algorithms", algorithm).model_dump()
    return {
        "procedure": {"name": "task_stream", "reset": "none"},
        "network": {"name": "mlp", "hidden": [WIDTH] * 3, "activation": "relu"},
        "algorithm": {"name": algorithm["name"], **hyper},
        "measures": {"online_accuracy": {"every": 1}},
        "length": tasks,
        "precision": "float32",
        "problem": {"name": "permuted_mnist"},
    }


def train(algorithm: dict[str, Any], tasks: int, images: Any) -> Result:
    """Train one run and say how it went."""
    own = settings(algorithm, tasks)
    module = registry.module("problems", "permuted_mnist")
    met = module.sequence(registry.parse("problems", own["problem"]), SEED, tasks)
    course = task_stream.start(Group(own, [SEED], [met], images, "fused"))
    start, start_cpu = time.monotonic(), time.thread_time()
    for index in range(tasks):
        for _ in course.pieces_of(index):
            pass
        print(f"{algorithm}: task {index + 1} done", file=sys.stderr, flush=True)
    wall, cpu = time.monotonic() - start, time.thread_time() - start_cpu
    (accuracy,) = course.results()
    return Result(algorithm, accuracy.values[0].tolist(), cpu / course.steps * 1e3, wall / 60)


def table(results: list[Result]) -> list[str]:
    """The rows of the document."""
    lines = ["| algorithm | step size | task 1 | task 2 | ours minus published | CPU per step | wall |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for one in results:
        shown = [f"{value:.2f}" for value in one.accuracy] + ["-"] * (2 - len(one.accuracy))
        gaps = ", ".join(f"{gap:+.2f}" for gap in one.gaps())
        lines.append(
            f"| {one.algorithm['name']} | {one.algorithm['step_size']:g} | {' | '.join(shown)} | {gaps} | "
            f"{one.step_ms:.2f} ms | {one.minutes:.0f} min |"
        )
    return lines


def nearest(results: list[Result]) -> list[str]:
    """Which of Adam's step sizes is nearest to the published accuracy of each task, in words."""
    adam = [one for one in results if one.algorithm["name"] == "adam"]
    lines = []
    for task in range(2):
        by_distance = sorted(adam, key=lambda one: abs(one.gaps()[task]))
        places = [f"{one.algorithm['step_size']:g} ({abs(one.gaps()[task]):.2f} away)" for one in by_distance]
        lines.append(f"- Task {task + 1}, nearest first: {', '.join(places)}.")
    return lines


def document(results: list[Result]) -> str:
    """The whole page."""
    return "\n".join(
        [
            "# First tasks of permuted MNIST at width 2,000",
            "",
            "Made by `benchmarks/first_tasks.py`: 784-2000-2000-2000-10, seed 0, fused engine, float32; online",
            f"accuracy, percent. Published for tasks 1 and 2: Adam {PUBLISHED['adam']}, for task 1: backpropagation",
            f"{PUBLISHED['backprop']}; means of 30 runs, with a spread of about 0.06 between runs.",
            "",
            f"Machine: {provenance.device()}, two runs at a time beside other work.",
            "",
            *table(results),
            "",
            "Adam's step sizes against the published curve:",
            "",
            *nearest(results),
            "",
        ]
    )


def main() -> None:
    """Train all runs, two at a time, and write the page."""
    arrays = datasets.arrays("mnist", os.environ.get("PERENNIAL_DATA"))
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda run: train(*run, arrays), RUNS))
    TABLE.write_text(document(results), encoding="utf-8")
    print(f"written: {TABLE.name}")


if __name__ == "__main__":
    main()

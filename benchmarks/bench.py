"""Side-by-side speed: fused loops and stacks in PyTorch against plain PyTorch. Writes benchmarks/results.md.

One process, one compute thread. The contenders of a row take turns, several rounds; a figure is the median of
CPU microseconds per run-step, a ratio the median of the rounds' ratios to plain.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plain import Plain

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported
from perennial import datasets, engines, provenance
from perennial.networks.mlp import Network
from perennial.networks.mlp import Settings as NetworkSettings
from perennial.problems import permuted_digits, slowly_changing_regression

ROUNDS, STACK = 7, 30
TABLE = Path(__file__).with_name("results.md")
ALGORITHMS: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", "step_size": 0.01},
    "L2": {"name": "l2", "step_size": 0.01, "weight_decay": 1e-3},
    "S&P, gaussian": {"name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 1e-3, "noise_std": 1e-3},
    "S&P, sum4": {
        "name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 1e-3, "noise_std": 1e-3, "noise": "sum4",
    },
    "Adam": {"name": "adam", "step_size": 0.001},
    "CBP": {"name": "cbp", "step_size": 0.01, "replacement_rate": 1e-4, "maturity_threshold": 100},
}  # fmt: skip


class Bench:
    """One problem: its network and the tasks of a few seeds.

    Args:
        title: for the table.
        problems: one per seed.
        hidden: hidden layers.
        portion: steps of plain PyTorch per round; the others make enough to be timed.
    """

    def __init__(self, title: str, problems: list[Any], hidden: list[int], portion: int) -> None:
        self.title, self.problems, self.portion = title, problems, portion
        one = problems[0]
        self.network = Network(NetworkSettings(hidden=hidden), one.inputs, one.outputs)

    def row(self, algorithm: dict[str, Any]) -> dict[str, list[float]]:
        """CPU microseconds per run-step of every contender, one number a round."""
        contenders = {
            "plain": self._plain(algorithm),
            "stacked, 1 run": self._stack("stacked", algorithm, 1, 40),
            f"stacked, {STACK} runs": self._stack("stacked", algorithm, STACK, 40),
            f"graphed, {STACK} runs": self._stack("graphed", algorithm, STACK, 40),
            "fused": self._fused(algorithm, with_data=False),
            "fused with data": self._fused(algorithm, with_data=True),
        }
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for contend in contenders.values():
            contend()  # warm-up: compilation, caches
        for _ in range(ROUNDS):
            for name, contend in contenders.items():
                start = time.process_time()
                steps = contend()
                found[name].append((time.process_time() - start) / steps * 1e6)
        return found

    def _settings(self, algorithm: dict[str, Any]) -> dict[str, Any]:
        return {"algorithm": algorithm, "precision": "float32", "network": {"name": "mlp"}}

    def _trainer(self, engine: str, algorithm: dict[str, Any], runs: int) -> Any:
        seeds = list(range(runs))
        trainer = engines.trainer(engine, self._settings(algorithm), self.problems[0], self.network, seeds)
        weights = [self.network.init(seed) for seed in seeds]
        trainer.load({"weights": {name: np.stack([w[name] for w in weights]) for name in weights[0]}})
        return trainer

    def _plain(self, algorithm: dict[str, Any]) -> Callable[[], int]:
        task = self.problems[0].task(0)
        x, y = torch.from_numpy(task.rows(task.order)), torch.from_numpy(task.targets[task.order])
        plain = Plain(self.network.sizes, algorithm, x, y)

        def contend() -> int:
            plain.steps(self.portion)
            return self.portion

        return contend

    def _stack(self, engine: str, algorithm: dict[str, Any], runs: int, steps: int) -> Callable[[], int]:
        trainer = self._trainer(engine, algorithm, runs)
        tasks = [_shorter(self.problems[k % len(self.problems)].task(0), steps) for k in range(runs)]

        def contend() -> int:
            trainer.train(tasks, 0)
            return steps * runs

        return contend

    def _fused(self, algorithm: dict[str, Any], with_data: bool) -> Callable[[], int]:
        trainer = self._trainer("fused", algorithm, 1)
        ready = [self.problems[0].task(index) for index in range(5)]

        def contend() -> int:
            steps = 0
            for index in range(5):
                task = self.problems[0].task(index) if with_data else ready[index]
                steps += trainer.train([task], index).size
            return steps

        return contend


def _shorter(task: Any, steps: int) -> Any:
    from dataclasses import replace

    return replace(task, order=task.order[:steps])


def regression() -> Bench:
    """Slowly-changing regression, 20-5-1."""
    settings = slowly_changing_regression.Settings()
    met = [slowly_changing_regression.sequence(settings, seed, 5) for seed in range(2)]
    problems = [slowly_changing_regression.Problem(settings, seed, m) for seed, m in enumerate(met)]
    return Bench("slowly-changing regression, 20-5-1, ReLU", problems, [5], 1500)


def digits() -> Bench:
    """Permuted digits, 64-100-100-100-10."""
    settings = permuted_digits.Settings()
    arrays = datasets.arrays("digits")
    met = [permuted_digits.sequence(settings, seed, 5) for seed in range(2)]
    problems = [permuted_digits.Problem(settings, seed, m, arrays) for seed, m in enumerate(met)]
    return Bench("permuted digits, 64-100-100-100-10, ReLU", problems, [100, 100, 100], 600)


def table(bench: Bench) -> list[str]:
    """The rows of one problem as markdown."""
    lines: list[str] = []
    for name, algorithm in ALGORITHMS.items():
        found = bench.row(algorithm)
        if not lines:
            heads = [f"{contender}, µs" for contender in found] + [f"{c} / plain" for c in list(found)[1:]]
            lines += [f"## {bench.title}", "", "| algorithm | " + " | ".join(heads) + " |"]
            lines += ["| --- |" + " ---: |" * len(heads)]
        times = [f"{statistics.median(values):.3g}" for values in found.values()]
        ratios = [
            f"{statistics.median(p / v for p, v in zip(found['plain'], values, strict=True)):,.0f}×"
            for contender, values in found.items()
            if contender != "plain"
        ]
        lines.append(f"| {name} | " + " | ".join(times + ratios) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return [*lines, ""]


def main() -> None:
    """Measure and write the table."""
    torch.set_num_threads(1)
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    head = [
        "# Speed, side by side",
        "",
        "Made by `make bench`. CPU microseconds per run-step (one example, one update, one run), one thread,",
        f"medians of {ROUNDS} interleaved rounds in one process; ratios are medians of the rounds' ratios.",
        "*plain* is `nn.Sequential` and `torch.optim`, one run, data in memory, nothing logged (benchmarks/plain.py).",
        "*stacked* is the definition; *graphed* the engine for a GPU, here on the CPU; *fused* the compiled loop, one",
        "run; *with data* includes making each task.",
        "",
        f"Machine: {provenance.device()}. Versions: {versions}.",
        "",
    ]
    text = "\n".join([*head, *table(regression()), *table(digits())])
    TABLE.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"written: {TABLE.relative_to(Path.cwd()) if TABLE.is_relative_to(Path.cwd()) else TABLE}")


if __name__ == "__main__":
    main()

"""Those who take turns in a benchmark: plain PyTorch, stacks in PyTorch, and compiled loops, on one problem."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from plain import Plain

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported
from perennial.learning import engines, views
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.mlp import Network, Settings

ROUNDS = 7


@dataclass
class Bench:
    """One problem: its network and the tasks of a few seeds."""

    title: str  # for the table
    problems: list[Any]  # one per seed
    hidden: list[int]
    portion: int  # steps of plain PyTorch per round
    tasks: int = 5  # tasks of the fused loop per round
    examples: int | None = None  # of each of these tasks; all when None, and then with data as well
    stacks: list[tuple[str, int, int]] = field(
        default_factory=lambda: [("stacked", 1, 40), ("stacked", 30, 40), ("graphed", 30, 40)]
    )  # engine, runs, steps per round

    def __post_init__(self) -> None:
        one = self.problems[0]
        self.network = Network(Settings(hidden=self.hidden), one.inputs, one.outputs)

    def row(self, algorithm: dict[str, Any]) -> dict[str, list[float]]:
        """CPU microseconds per run-step of every contender, one number a round."""
        contenders = {"plain": self._plain(algorithm)}
        for engine, runs, steps in self.stacks:
            name = f"{engine}, {runs} run{'s' * (runs > 1)}"
            contenders[name] = self._stack(engine, algorithm, runs, steps)
        contenders["fused"] = self._fused(algorithm, with_data=False)
        if self.examples is None:
            contenders["fused with data"] = self._fused(algorithm, with_data=True)
        return measure(contenders)

    def _learner(self, engine: str, algorithm: dict[str, Any], runs: int) -> Any:
        seeds, networks = list(range(runs)), views.single(self.network)
        shape = {"name": "mlp", "hidden": list(self.network.sizes[1:-1])}
        shape["activation"] = self.network.activation
        one = self.problems[0]
        bits = one.inputs if getattr(one, "bits", False) else 0
        need = Need({NETWORK: shape}, algorithm, LossSpec(one.loss), bits=bits)
        learner = engines.learner(engine, need, networks, seeds)
        learner.load({"weights": networks.init(seeds, 0, "float32")})
        return learner

    def _plain(self, algorithm: dict[str, Any]) -> Callable[[], int]:
        task = self.problems[0].task(0)
        order = task.order[:5000]
        x, y = torch.from_numpy(task.rows(order)), torch.from_numpy(task.targets[order])
        plain = Plain(self.network.sizes, algorithm, x, y)

        def contend() -> int:
            plain.steps(self.portion)
            return self.portion

        return contend

    def _stack(self, engine: str, algorithm: dict[str, Any], runs: int, steps: int) -> Callable[[], int]:
        learner = self._learner(engine, algorithm, runs)
        tasks = [_shorter(self.problems[k % len(self.problems)].task(0), steps) for k in range(runs)]

        def contend() -> int:
            learner.train(tasks, 0)
            return steps * runs

        return contend

    def _fused(self, algorithm: dict[str, Any], with_data: bool) -> Callable[[], int]:
        learner = self._learner("fused", algorithm, 1)
        ready = [_shorter(self.problems[0].task(index), self.examples) for index in range(self.tasks)]

        def contend() -> int:
            steps = 0
            for index in range(self.tasks):
                task = self.problems[0].task(index) if with_data else ready[index]
                steps += learner.train([task], index).size
            return steps

        return contend


def measure(contenders: dict[str, Callable[[], int]]) -> dict[str, list[float]]:
    """CPU microseconds per step of contenders that take turns, one number a round; each returns its steps."""
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for contend in contenders.values():
        contend()  # warm-up: compilation, caches
    for _ in range(ROUNDS):
        for name, contend in contenders.items():
            start = time.process_time()
            steps = contend()
            found[name].append((time.process_time() - start) / steps * 1e6)
    return found


def _shorter(task: Any, examples: int | None) -> Any:
    return task if examples is None else replace(task, order=task.order[:examples])

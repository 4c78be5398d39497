"""MNIST-1D side by side with a plain loop of PyTorch modules and optimisers, one run after the other.

One process, one compute thread; the contenders take turns, a ratio is the median over rounds. Prints a table of CPU
milliseconds per update of one run. The generator is held against the published package (`mnist1d`).
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "mnist1d"))

import courses
import test_supervised

from perennial import procedures
from perennial.datasets import _mnist1d
from perennial.learning import engines

ROUNDS, UPDATES, SEEDS = 3, 300, 2
SGD = {"name": "backprop", "step_size": 0.01, "momentum": 0.9}
DATA = {"name": "mnist1d"}


class Residual(nn.Module):
    """40-h-h-10 with or without the second layer's way around."""

    def __init__(self, h: int, residual: bool = True) -> None:
        super().__init__()
        self.residual, self.layers = (
            residual,
            nn.ModuleList([nn.Linear(40, h), nn.Linear(h, h), nn.Linear(h, 10)]),
        )

    def forward(self, x):
        first, second, head = self.layers
        h = first(x).relu()
        return head(h + second(h).relu() if self.residual else second(h).relu())


def plain(make: Callable[[], nn.Module], optimiser: Callable, mask: float = 0.0) -> None:
    """The notebooks' loop, seed after seed; with a mask over every parameter before each forward pass if wished."""
    own = courses.settings({"name": "supervised"}, {"name": "residual_mlp", "hidden": []}, {}, 1, DATA)
    task = courses.begin(own, [0]).problems[0].task(0)
    x, y = torch.tensor(task.inputs), torch.tensor(task.targets)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = make()
        moves = optimiser(model.parameters())
        masks = [(torch.rand_like(p) > mask).to(p.dtype) for p in model.parameters()] if mask else []
        for update in range(UPDATES):
            for p, kept in zip(model.parameters(), masks, strict=bool(masks)):
                p.data *= kept
            first = update * 100 % len(y)
            moves.zero_grad()
            nn.functional.cross_entropy(model(x[first : first + 100]), y[first : first + 100]).backward()
            moves.step()


def ours(procedure: dict, network: dict, algorithm: dict, length: int, measures: dict | None = None) -> None:
    """The same by the project's course, all seeds in one group."""
    own = courses.settings(procedure, network, measures or {"parameters": 10**9}, length, DATA, algorithm)
    need = procedures.need(own)
    engine = engines.choose(need, device="cpu") if need else "stacked"
    courses.finish(courses.begin(own, list(range(SEEDS)), engine))


def mlp(h: int, residual: bool) -> dict:
    return {"name": "residual_mlp", "hidden": [h, h], "residual": residual}


def adam(step_size: float) -> Callable:
    return lambda parameters: torch.optim.Adam(parameters, lr=step_size)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9)


LOOP = {"name": "supervised"}
ROWS: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
    "benchmark MLP": (
        lambda: plain(lambda: Residual(100), adam(0.01)),
        lambda: ours(LOOP, mlp(100, True), courses.ADAM, UPDATES),
    ),
    "benchmark CNN": (
        lambda: plain(lambda: test_supervised.Plain("cnn"), adam(0.01)),
        lambda: ours(LOOP, {"name": "conv1d"}, courses.ADAM, UPDATES),
    ),
    "double descent, 16 units": (
        lambda: plain(lambda: Residual(16, False), sgd),
        lambda: ours(LOOP, mlp(16, False), SGD, UPDATES),
    ),
    "double descent, 300 units": (
        lambda: plain(lambda: Residual(300, False), sgd),
        lambda: ours(LOOP, mlp(300, False), SGD, UPDATES),
    ),
    "lottery search, 90 % dropped": (
        lambda: plain(lambda: Residual(500), adam(0.02), mask=0.9),
        lambda: ours(
            {"name": "lottery_ticket", "updates": UPDATES // 2, "sparsities": [0.5, 0.9], "ticket": 1},
            mlp(500, True), {"name": "adam", "step_size": 0.02}, 2, {"test_accuracy": 1},
        ),
    ),
}  # fmt: skip


def seconds(work: Callable[[], None]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def generator() -> tuple[float, float]:
    """CPU seconds of the package and of ours for the published data set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mnist1d import data as package
    theirs = seconds(lambda: package.make_dataset(package.get_dataset_args()))
    return theirs, seconds(lambda: _mnist1d.made(_mnist1d.Arguments()))


def main() -> None:
    """Print the table."""
    made = [generator() for _ in range(ROUNDS)]
    theirs, own = (statistics.median(column) for column in zip(*made, strict=True))
    ratio = statistics.median(a / b for a, b in made)
    print(f"| generator, 5,000 examples | {theirs:.2f} s (package) | {own:.2f} s | {ratio:.1f} |")
    for name, contenders in ROWS.items():
        for work in contenders:  # the first time loads and warms up
            work()
        rounds = [
            tuple(seconds(work) / (UPDATES * SEEDS) * 1e3 for work in contenders) for _ in range(ROUNDS)
        ]
        slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(a / b for a, b in rounds)
        print(f"| {name} | {slow:.3f} ms | {fast:.3f} ms | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()

"""Side-by-side speed: fused loops and stacks in PyTorch against plain PyTorch. Writes benchmarks/results.md.

One process, one compute thread. The contenders of a row take turns, several rounds; a figure is the median of
CPU microseconds per run-step, a ratio the median of the rounds' ratios to plain.

The rows of permuted MNIST and of Continual ImageNet need their images; see README.md (PERENNIAL_DATA).
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path
from typing import Any

import convolutions
import lanes
import numpy as np
import torch
from contenders import ROUNDS, Bench, measure

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported
from perennial import datasets
from perennial.files import provenance
from perennial.measures import _spectrum
from perennial.problems import permuted_digits, permuted_mnist, slowly_changing_regression

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


def mnist(width: int, images: datasets.Arrays) -> Bench:
    """Permuted MNIST, 784-width-width-width-10."""
    settings = permuted_mnist.Settings()
    met = [permuted_mnist.sequence(settings, seed, 1) for seed in range(2)]
    problems = [permuted_mnist.Problem(settings, seed, m, images) for seed, m in enumerate(met)]
    title = f"permuted MNIST, 784-{width}-{width}-{width}-10, ReLU"
    if width < 1000:
        return Bench(title, problems, [width] * 3, 300, tasks=1, examples=5000)
    return Bench(title, problems, [width] * 3, 6, tasks=1, examples=40, stacks=[("graphed", 2, 6)])


def imagenet() -> list[str]:
    """The rows of Continual ImageNet, if its images are at hand."""
    try:
        benches = convolutions.benches(os.environ.get("PERENNIAL_DATA"))
    except datasets.DataError as error:
        print(error, file=sys.stderr)
        return ["The rows of Continual ImageNet are left out: its images were not at hand.", ""]
    return [line for bench in benches for line in table(bench, convolutions.ALGORITHMS)]


def ranks() -> list[str]:
    """Singular values of 2,000 x 2,000 activations, 30 % of the units dead, against two straightforward ways."""
    draw = np.random.default_rng(0)
    phi = np.maximum(
        draw.normal(size=(2000, 300)) @ draw.normal(size=(300, 2000)) + draw.normal(size=(2000, 2000)), 0
    )
    phi[:, draw.random(2000) < 0.3] = 0
    phi = phi.astype(np.float32)

    def once(function: Any) -> Any:
        def contend() -> int:
            function(phi)
            return 1

        return contend

    found = measure(
        {
            "plain": once(np.linalg.svd),
            "singular values alone": once(lambda x: np.linalg.svd(x, compute_uv=False)),
            "ours": once(_spectrum.singular_values),
        }
    )
    lines = ["## ranks of 2,000 x 2,000 activations, 30 % of the units dead", ""]
    lines += ["| way | seconds | plain / this |", "| --- | ---: | ---: |"]
    names = {
        "plain": "plain: numpy's singular value decomposition",
        "ours": "ours: Gram matrix of the living units",
    }
    for name, values in found.items():
        seconds = statistics.median(values) / 1e6
        lines.append(f"| {names.get(name, name)} | {seconds:.2f} | {ratio(found, name)} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return [*lines, ""]


def table(bench: Any, algorithms: dict[str, dict[str, Any]] = ALGORITHMS) -> list[str]:
    """The rows of one problem as markdown."""
    lines: list[str] = []
    for name, algorithm in algorithms.items():
        found = bench.row(algorithm)
        if not lines:
            heads = [f"{contender}, µs" for contender in found] + [f"{c} / plain" for c in list(found)[1:]]
            lines += [f"## {bench.title}", "", "| algorithm | " + " | ".join(heads) + " |"]
            lines += ["| --- |" + " ---: |" * len(heads)]
        medians = [statistics.median(values) for values in found.values()]
        times = [f"{time:.3g}" if time < 1000 else f"{time:,.0f}" for time in medians]
        ratios = [ratio(found, contender) for contender in list(found)[1:]]
        lines.append(f"| {name} | " + " | ".join(times + ratios) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    return [*lines, ""]


def ratio(found: dict[str, list[float]], contender: str) -> str:
    """How many times less than plain: the median of the rounds' ratios."""
    pairs = zip(found["plain"], found[contender], strict=True)
    times = statistics.median(plain / own for plain, own in pairs)
    return f"{times:,.0f}×" if times >= 10 else f"{times:.1f}×"


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
        "run; *lanes* are eight runs in the lanes of a vector, their rows in nanoseconds beside *fused* with the same",
        "eight runs; *with data* includes making each task. Of Continual ImageNet a step is one mini-batch; *pooled*",
        "is the engine for convolutional networks, one run, and *channels last* another order of numbers in memory.",
        "",
        f"Machine: {provenance.device()}. Versions: {versions}.",
        "",
    ]
    parts = [*table(regression()), *lanes.rows(ALGORITHMS), *table(digits())]
    try:
        images = datasets.arrays("mnist", os.environ.get("PERENNIAL_DATA"))
        parts += [*table(mnist(100, images)), *table(mnist(2000, images))]
    except datasets.DataError as error:
        parts += ["The rows of permuted MNIST are left out: its images were not at hand.", ""]
        print(error, file=sys.stderr)
    parts += imagenet()
    text = "\n".join([*head, *parts, *ranks()])
    TABLE.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"written: {TABLE.relative_to(Path.cwd()) if TABLE.is_relative_to(Path.cwd()) else TABLE}")


if __name__ == "__main__":
    main()

"""Speed of the graphed engine on a GPU. Writes benchmarks/gpu.md, and gpu.json, from which `perennial plan` reads GPU
hours; says so in one line where there is no GPU. Convolutional networks: gpu_convnet.py.

A net 784-w-w-w-10 with images like handwritten digits: a fifth of the pixels is lit. Every run has its own order and
permutation. Times are of whole tasks, data included, after a first task that records the graph.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perennial.files import provenance
from perennial.learning import engines, views
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.mlp import Network
from perennial.learning.networks.mlp import Settings as NetworkSettings
from perennial.problems import Task

TABLE, FIGURES = Path(__file__).with_name("gpu.md"), Path(__file__).with_name("gpu.json")
INPUTS, HIDDEN, CLASSES, IMAGES, ROUNDS = 784, 3, 10, 2000, 5
SHAPES = {100: (30, 300), 2000: (8, 30)}  # width -> runs in a stack
STEPS = {100: 6403, 2000: 1283}  # of a task
GROUPING_STEPS = 400
NOISE = {"step_size": 0.003, "weight_decay": 1e-3, "noise_std": 1e-3}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", "step_size": 0.003},
    "L2": {"name": "l2", "step_size": 0.003, "weight_decay": 1e-3},
    "S&P, gaussian": {"name": "shrink_and_perturb", **NOISE},
    "S&P, sum4": {"name": "shrink_and_perturb", **NOISE, "noise": "sum4"},
    "Adam": {"name": "adam", "step_size": 1e-4},
    "CBP": {"name": "cbp", "step_size": 0.003, "replacement_rate": 1e-4, "maturity_threshold": 100},
    "dropout": {"name": "dropout", "step_size": 0.003, "probability": 0.1},
    "online normalisation": {"name": "online_normalisation", "step_size": 0.003},
}


def tasks(seeds: list[int], steps: int) -> list[Task]:
    """One task for each seed; all share a table of images."""
    draw = np.random.default_rng(0)
    images = draw.random((IMAGES, INPUTS), np.float32) * (draw.random((IMAGES, INPUTS)) < 0.2)
    labels = draw.integers(0, CLASSES, IMAGES)
    own = [np.random.default_rng(seed + 1) for seed in seeds]
    return [Task(images, labels, one.integers(0, IMAGES, steps), one.permutation(INPUTS)) for one in own]


def learner(
    algorithm: dict[str, Any], width: int, seeds: list[int], device: str, engine: str = "graphed"
) -> Any:
    """A stack with its first weights."""
    shape = {"hidden": [width] * HIDDEN}
    networks = views.single(Network(NetworkSettings(**shape), INPUTS, CLASSES))
    need = Need({NETWORK: {"name": "mlp", **shape}}, algorithm, LossSpec("cross_entropy"))
    made = engines.learner(engine, need, networks, seeds, device)
    made.load({"weights": networks.init(seeds, 0, "float32")})
    return made


def run_steps_per_second(
    algorithm: dict[str, Any],
    width: int,
    runs: int,
    device: str,
    steps: int,
    graph: bool = True,
    engine: str = "graphed",
) -> float:
    """Median over the rounds; every task ends with its performance on the host."""
    seeds = list(range(runs))
    stack, shown = learner(algorithm, width, seeds, device, engine), tasks(seeds, steps)
    if not graph:
        stack._replay.cuda = False  # the same step, its kernels started one by one
    stack.train(shown, 0)
    rates = []
    for index in range(ROUNDS):
        start = time.perf_counter()
        stack.train(shown, index + 1)
        rates.append(runs * steps / (time.perf_counter() - start))
    return statistics.median(rates)


def bytes_moved(width: int) -> int:
    """The least that a step of backprop moves for one run: weights read forward, backward, and read and written in
    the update; the first layer has no backward pass."""
    layers = [i * o for i, o in pairwise((INPUTS, width, width, width, CLASSES))]
    return 4 * (3 * sum(layers) + sum(layers[1:]))


def bandwidth(device: str, size: int = 2**28) -> float:
    """Bytes per second of a copy, read and written, of `size` floats."""
    source = torch.ones(size, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(ROUNDS + 1):
        _wait(device)
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / statistics.median(times[1:])


def grouping(algorithm: dict[str, Any], width: int, device: str, steps: int = GROUPING_STEPS) -> str:
    """`bitwise` when runs end alike in stacks of 8, of 2 in another order, and alone; else the largest difference."""

    def ends(seeds: list[int]) -> dict[int, dict[str, np.ndarray]]:
        stack = learner(algorithm, width, seeds, device)
        stack.train(tasks(seeds, steps), 0)
        weights = stack.state()["weights"]
        return {seed: {name: w[k] for name, w in weights.items()} for k, seed in enumerate(seeds)}

    whole = ends(list(range(8)))
    largest = 0.0
    for seeds in ([5, 2], [7]):
        for seed, weights in ends(seeds).items():
            gaps = [float(np.abs(w - whole[seed][name]).max()) for name, w in weights.items()]
            largest = max(largest, *gaps)
    return "bitwise" if largest == 0 else f"{largest:.1e}"


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def row(name: str, width: int, runs: int, device: str, peak: float, steps: int) -> tuple[str, dict[str, Any]]:
    """One line of the table, and the same for `perennial plan`."""
    algorithm = ALGORITHMS[name]
    rate = run_steps_per_second(algorithm, width, runs, device, steps)
    single = run_steps_per_second(algorithm, width, runs, device, min(steps, 200), graph=False)
    general = run_steps_per_second(algorithm, width, runs, device, steps, engine="recorded")
    share, apart = rate * bytes_moved(width) / peak, grouping(algorithm, width, device)
    rates = f"{rate:,.0f} | {1e6 / rate:.3g} | {single:,.0f} | {general:,.0f} | {rate / general:.2g}"
    line = f"| {name} | {width} | {runs} | {rates} | {share:.0%} | {apart} |"
    print(line, file=sys.stderr, flush=True)
    weights = sum(i * o for i, o in pairwise((INPUTS, width, width, width, CLASSES)))
    figures = {
        "algorithm": algorithm,
        "network": "mlp",
        "weights": weights,
        "runs": runs,
        "seconds_per_run_step": 1 / rate,
    }
    return line, figures


def keep(rows: list[dict[str, Any]], network: str, path: Path = FIGURES, device: str | None = None) -> None:
    """Put the rows of one network in the place of its old ones; those of other networks stay, if of this device."""
    device = device or provenance.device("cuda")
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    same = old["rows"] if old.get("device") == device else []
    others = [row for row in same if row.get("network", "mlp") != network]
    path.write_text(json.dumps({"device": device, "rows": others + rows}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measure and write the table."""
    if not engines.cuda_here():
        sys.exit("benchmarks/gpu.py: PyTorch finds no CUDA device on this machine; nothing was measured")
    device, peak = "cuda", bandwidth("cuda")
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    head = [
        "# The graphed engine on a GPU",
        "",
        f"Made by `python benchmarks/gpu.py`. A net 784-w-w-w-10, float32, medians of {ROUNDS} tasks, data included.",
        "*eager* starts the step's kernels one by one. *recorded* is the general engine, which records the",
        "definition's own step; *times* says how much faster the fast path is: one below 1.5 should go. *share* is the",
        "least memory traffic of backprop at that rate as a share of what a large copy reaches here; the other",
        "algorithms move more, and what fits the GPU's cache is not bound by it. *grouping*: do runs end alike in",
        f"stacks of 8, 2 and 1 after {GROUPING_STEPS} steps, or the largest difference of a weight.",
        "",
        f"Machine: {provenance.device(device)}, copy {peak / 1e9:,.0f} GB/s. Versions: {versions}.",
        "",
        "| algorithm | w | runs | run-steps/s | µs per run-step | eager | recorded | times | share | grouping |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    rows = [
        row(name, width, runs, device, peak, STEPS[width])
        for width, stacks in SHAPES.items()
        for runs in stacks
        for name in ALGORITHMS
    ]
    TABLE.write_text("\n".join([*head, *(line for line, _ in rows)]) + "\n", encoding="utf-8")
    keep([figures for _, figures in rows], "mlp")
    print(f"written: {TABLE.relative_to(Path.cwd()) if TABLE.is_relative_to(Path.cwd()) else TABLE}")


if __name__ == "__main__":
    main()

"""Speed of the graphed engine on Continual ImageNet's network. Writes benchmarks/gpu_convnet.md and its rows of
gpu.json, from which `perennial plan` reads GPU hours; says so in one line where there is no GPU.

Made-up images, held as bytes; mini-batches of 100, an order of its own for each run. Times are of passes of 12 steps,
each ending with its performance on the host, as the procedure asks for them; after passes that record the graph. From
the table convolution.FORMULATION is to be set.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import gpu
import numpy as np

from perennial.files import provenance
from perennial.learning import engines, views
from perennial.learning.engines.graphed.batches import convolution
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.convnet import Network, Settings
from perennial.problems import Pixels, Task

TABLE = gpu.FIGURES.with_name("gpu_convnet.md")
ROUNDS, WARM = 5, 3  # tasks that are timed; passes before
STACKS = (1, 4, 8, 30)
MOMENTUM = {"step_size": 0.01, "momentum": 0.9}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", **MOMENTUM},
    "L2": {"name": "l2", **MOMENTUM, "weight_decay": 3e-6},
    "S&P": {"name": "shrink_and_perturb", **MOMENTUM, "weight_decay": 1e-5, "noise_std": 1e-5},
    "CBP": {"name": "cbp", **MOMENTUM, "replacement_rate": 3e-4, "count": "layer_width"},
}


class Size(NamedTuple):
    """Of the network and its tasks."""

    network: Settings = Settings()
    images: int = 1200  # of a task
    batch: int = 100
    passes: int = 8  # of a task


class Case(NamedTuple):
    """One line of the table."""

    algorithm: str
    runs: int
    formulation: str
    precision: str  # fp32 or tf32


def tasks(seeds: list[int], size: Size) -> list[Task]:
    """One task for each seed, from images that all share; half of them carry a pattern."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 200, (2 * size.images, 3, 32, 32), np.uint8)
    images[::2, :, ::2] += np.uint8(40)
    mean, found = images.mean(axis=0, dtype=np.float32) / np.float32(255), []
    for seed in seeds:
        own = np.random.default_rng(seed + 1)
        rows = own.permutation(2 * size.images)[: size.images]
        order = np.concatenate([own.permutation(size.images) for _ in range(size.passes)])
        found.append(Task(Pixels(images, rows, mean), rows % 2, order, batch=size.batch))
    return found


def learner(case: Case, seeds: list[int], device: str, size: Size, engine: str = "graphed") -> Any:
    """A stack with its first weights, under the case's formulation."""
    networks = views.single(Network(size.network, 3 * 32 * 32, 2, (3, 32, 32)))
    shape, tf32 = {"name": "convnet", **size.network.model_dump()}, case.precision == "tf32"
    loss, algorithm = LossSpec("cross_entropy"), ALGORITHMS[case.algorithm]
    need = Need({NETWORK: shape}, algorithm, loss, size.batch, passes=True, tf32=tf32)
    convolution.FORMULATION = case.formulation
    made = engines.learner(engine, need, networks, seeds, device)
    made.load({"weights": networks.init(seeds, 0, "float32")})
    return made


def learn(stack: Any, shown: list[Task], index: int, size: Size, passes: int | None = None) -> int:
    """Some passes of a task (all when not said), each a piece; how many steps that was."""
    steps, count = shown[0].steps // size.passes, size.passes if passes is None else passes
    for start in range(0, steps * count, steps):
        stack.train(shown, index, start, start + steps)
    return steps * count


def seconds_per_run_step(
    case: Case, device: str, size: Size, graph: bool = True, engine: str = "graphed"
) -> float:
    """Median over the rounds."""
    seeds = list(range(case.runs))
    stack, shown = learner(case, seeds, device, size, engine), tasks(seeds, size)
    if not graph:
        stack._replay.cuda = False  # the same step, its kernels started one by one
    learn(stack, shown, 0, size, min(WARM, size.passes))
    times = []
    for index in range(ROUNDS):
        gpu._wait(device)
        start = time.perf_counter()
        steps = learn(stack, shown, index + 1, size)
        times.append((time.perf_counter() - start) / (steps * case.runs))
    return statistics.median(times)


def ends(case: Case, seeds: list[int], device: str, size: Size) -> dict[int, dict[str, np.ndarray]]:
    """Weights of each run after one task."""
    stack = learner(case, seeds, device, size)
    learn(stack, tasks(seeds, size), 0, size)
    weights = stack.state()["weights"]
    return {seed: {name: w[k] for name, w in weights.items()} for k, seed in enumerate(seeds)}


def gap(case: Case, device: str, size: Size, seeds: list[int]) -> str:
    """`bitwise` where the runs of `seeds` end as they do in the case's stack, or the largest difference of a weight."""
    whole, part = (ends(case, of, device, size) for of in (list(range(case.runs)), seeds))
    largest = max(
        float(np.abs(w - whole[s][name]).max()) for s, own in part.items() for name, w in own.items()
    )
    return "bitwise" if largest == 0 else f"{largest:.1e}"


def flops(size: Size) -> float:
    """Operations of a step of backprop for one run: forward; backward by weights and, but for images, by inputs."""
    network = Network(size.network, 3 * 32 * 32, 2, (3, 32, 32))
    total = 0
    for layer, shape in enumerate(network.shapes):
        side = network.images[layer][1] - shape[-1] + 1 if layer < network.convolutions else 1
        total += 2 * size.batch * int(np.prod(shape)) * side**2 * (3 if layer else 2)
    return total


def row(case: Case, device: str, size: Size) -> tuple[str, dict[str, Any]]:
    """One line of the table, and the same for `perennial plan`."""
    own = seconds_per_run_step(case, device, size)
    single = seconds_per_run_step(case, device, size._replace(passes=2), graph=False)
    general = seconds_per_run_step(case, device, size, engine="recorded")
    again, alone = gap(case, device, size, list(range(case.runs))), gap(case, device, size, [case.runs - 1])
    ms = " | ".join(f"{1e3 * seconds:.3g}" for seconds in (own, single, general))
    rates = f"{1 / own:,.0f} | {ms} | {flops(size) / own / 1e12:.2g}"
    line = f"| {' | '.join(map(str, case))} | {rates} | {again} | {alone} |"
    print(line, file=sys.stderr, flush=True)
    weights = sum(w.size for w in Network(size.network, 3072, 2, (3, 32, 32)).init(0).values())
    figures = {"algorithm": ALGORITHMS[case.algorithm], "network": "convnet", "weights": weights}
    return line, {**figures, "runs": case.runs, "seconds_per_run_step": own}


def cases(stacks: tuple[int, ...] = STACKS) -> list[Case]:
    """Backprop in every way; then the other algorithms in the way that the engine has now."""
    default = convolution.FORMULATION
    ways = [(way, precision) for way in convolution.FORMULATIONS for precision in ("fp32", "tf32")]
    found = [Case("backprop", runs, *way) for runs in stacks for way in ways]
    others = [name for name in ALGORITHMS if name != "backprop"]
    return found + [Case(name, runs, default, "fp32") for name in others for runs in stacks[-2:]]


def table(of: list[Case], device: str, size: Size, out: Path) -> list[dict[str, Any]]:
    """Measure and write line by line, so that what is measured stays whatever comes; rows for `perennial plan`.

    These are of the way that the engine has now.
    """
    default, lines, kept = convolution.FORMULATION, head(device, size), []
    try:
        for case in of:
            line, figures = row(case, device, size)
            lines.append(line)
            out.write_text("\n".join(lines) + "\n", encoding="utf-8")
            kept += [figures] if case[2:] == (default, "fp32") else []
    finally:
        convolution.FORMULATION = default
    return kept


def head(device: str, size: Size) -> list[str]:
    """What stands above the lines."""
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    columns = (
        "formulation",
        "products",
        "net-steps/s",
        "ms per net-step",
        "eager, ms",
        "recorded, ms",
        "TFLOP/s",
        "again",
        "alone",
    )
    return [
        "# Continual ImageNet's network on a GPU",
        "",
        f"Made by `python benchmarks/gpu_convnet.py`. Mini-batches of {size.batch}, medians of {ROUNDS} tasks of",
        f"{size.passes} passes. *recorded* is the general engine, which records the definition's own step, each run's",
        "convolutions apart. *eager* starts the step's kernels one by one. *again*: does the same stack end alike a",
        "second time; *alone*: does a run end alike by itself; or the largest difference of a weight.",
        "",
        f"Machine: {provenance.device(device)}. Versions: {versions}.",
        "",
        f"| algorithm | runs | {' | '.join(columns)} |",
        "| --- | ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |",
    ]


def main() -> None:
    """Measure and write the table."""
    if not engines.cuda_here():
        sys.exit(
            "benchmarks/gpu_convnet.py: PyTorch finds no CUDA device on this machine; nothing was measured"
        )
    gpu.keep(table(cases(), "cuda", Size(), TABLE), "convnet")
    print(f"written: {TABLE.name}, {gpu.FIGURES.name}")


if __name__ == "__main__":
    main()

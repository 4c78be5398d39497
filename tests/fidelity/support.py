"""Small runs of any algorithm under any engine, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from perennial import config, procedures, registry
from perennial.learning import engines
from perennial.problems import Arrays
from perennial.procedures import Group, task_stream
from perennial.procedures.task_stream import TaskStream

REGRESSION, DIGITS, MNIST = "slowly_changing_regression", "permuted_digits", "permuted_mnist"
REPOSITORY = Path(__file__).parents[2]

# Hyper-parameters for the tests: chosen so that everything an algorithm does happens within a few hundred steps.
SHIPPED: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", "step_size": 0.01},
    "l2": {"name": "l2", "step_size": 0.01, "weight_decay": 0.003},
    "shrink_and_perturb": {
        "name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 0.003, "noise_std": 0.001,
    },
    "adam": {"name": "adam", "step_size": 0.001},
    "cbp": {"name": "cbp", "step_size": 0.01, "replacement_rate": 0.01, "maturity_threshold": 10},
    "dropout": {"name": "dropout", "step_size": 0.01, "probability": 0.2},
    "online_normalisation": {
        "name": "online_normalisation", "step_size": 0.01, "forward_decay": 0.95, "backward_decay": 0.9,
    },
}  # fmt: skip


def hyper(algorithm: str) -> dict[str, Any]:
    """Hyper-parameters of an algorithm: ours, those of its first variant in config.yaml, or its defaults.

    So a file added to `algorithms/` is tested without another edit.
    """
    if algorithm in SHIPPED:
        return {**SHIPPED[algorithm]}  # a test may change it
    study = config.load(REPOSITORY / "config.yaml")
    for experiment in study.all_experiments.values():
        for variant in experiment.variants.values():
            if variant.settings["algorithm"]["name"] == algorithm:
                return {**variant.settings["algorithm"]}
    return {"name": algorithm}


def algorithms() -> list[str]:
    """Every algorithm that has a file."""
    return registry.names("algorithms")


def variant(problem: str, algorithm: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Settings of a small run.

    Args:
        problem: REGRESSION (20-5-1, tasks of 100 examples) or DIGITS (64-40-40-10, the images of `digits`)
            or MNIST (784-40-40-10, the images of `mnist`).
        algorithm: name and hyper-parameters.
        changes: replace `hidden`, `activation`, `length`, `precision`, `measures`, `reset`; any other is a setting
            of the problem.
    """
    defaults = {"flip_every": 100} if problem == REGRESSION else {"probe_examples": 50}
    hidden = changes.pop("hidden", [5] if problem == REGRESSION else [40, 40])
    return {
        "procedure": {"name": "task_stream", "reset": changes.pop("reset", "none")},
        "network": {"name": "mlp", "hidden": hidden, "activation": changes.pop("activation", "relu")},
        "algorithm": algorithm,
        "measures": changes.pop("measures", {}),
        "length": changes.pop("length", 2),
        "precision": changes.pop("precision", "float64"),
        "problem": {"name": problem, **defaults, **changes},
    }


def small(problem: str, algorithm: str, **changes: Any) -> dict[str, Any]:
    """The variant that most tests train, so that its compiled loop is compiled once.

    Regression: 20-5-1 in double precision. Digits: 64-40-10 in single precision; continual backpropagation, which
    acts across layers, gets 64-40-40-10.
    """
    if problem == DIGITS:
        hidden = [40, 40] if algorithm == "cbp" else [40]
        changes = {"hidden": hidden, "precision": "float32", **changes}
    return variant(problem, hyper(algorithm), **changes)


def measures(problem: str) -> list[str]:
    """Every measure that fits a problem whose tasks are learnt in one pass."""
    other = "online_accuracy" if problem == REGRESSION else "squared_error"
    kinds = {name: registry.module("measures", name).KIND for name in registry.names("measures")}
    return [name for name, kind in kinds.items() if kind in ("performance", "internals") and name != other]


def engines_of(settings: dict[str, Any]) -> list[str]:
    """The engines that train a variant on the CPU."""
    need = procedures.need(settings)
    return ["stacked", *(engine for engine in engines.GROUPS if engines.fits(engine, need) is None)]


@cache
def digits(images: int = 1797) -> Arrays:
    """The first images of the digits."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {
        "images": bunch.images[:images].astype(np.uint8),
        "labels": bunch.target[:images].astype(np.uint8),
    }


@cache
def mnist(images: int = 1797) -> Arrays:
    """The first digits in the format of MNIST: each pixel a square of nine, grey values 15 times as large."""
    small = digits(images)
    large = np.kron(small["images"] * np.uint8(15), np.ones((1, 3, 3), np.uint8))
    return {"images": np.pad(large, ((0, 0), (2, 2), (2, 2))), "labels": small["labels"]}


DATASETS = {None: lambda images: None, "digits": digits, "mnist": mnist}


def stream(
    settings: dict[str, Any], seeds: list[int], engine: str, images: int = 1797, device: str = "cpu"
) -> TaskStream:
    """Runs before their first task."""
    module = registry.module("problems", settings["problem"]["name"])
    choices = registry.parse("problems", settings["problem"])
    met = [module.sequence(choices, seed, settings["length"]) for seed in seeds]
    return task_stream.start(Group(settings, seeds, met, DATASETS[module.DATASET](images), engine, device))


def train(
    settings: dict[str, Any], seeds: list[int], engine: str, images: int = 1797, device: str = "cpu"
) -> dict[str, Any]:
    """The last state of runs, all trained in one stack."""
    runs = stream(settings, seeds, engine, images, device)
    finish(runs)
    return runs.state()


def finish(runs: Any) -> None:
    """Take runs to the end of their course."""
    for _ in runs.pieces():
        pass


def learn(runs: Any, index: int) -> None:
    """Take runs through one task."""
    for _ in runs.pieces_of(index):
        pass


def values(runs: Any) -> dict[str, np.ndarray]:
    """What runs measured: name -> [r, ...]."""
    return {series.name: np.stack(series.values) for series in runs.results()}


def leaves(state: Any, path: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """All arrays of a state with their paths."""
    if isinstance(state, dict):
        for key in sorted(state):
            yield from leaves(state[key], f"{path}/{key}" if path else key)
    else:
        yield path, state


def gaps(one: Any, other: Any) -> dict[str, float]:
    """Largest absolute difference of every array of two states of the same layout."""
    a, b = dict(leaves(one)), dict(leaves(other))
    assert a.keys() == b.keys(), (sorted(a), sorted(b))
    for path in a:
        assert a[path].shape == b[path].shape and a[path].dtype == b[path].dtype, path
    return {path: float(np.abs(a[path] - b[path]).max(initial=0)) for path in a}


def same_bits(one: Any, other: Any, branch: str = "") -> bool:
    """Whether two states (or one branch of them) are equal to the last bit."""
    a, b = (dict(leaves(state[branch] if branch else state)) for state in (one, other))
    return a.keys() == b.keys() and all(a[path].tobytes() == b[path].tobytes() for path in a)

"""Small runs of Continual ImageNet for the tests: made-up images, learnt in passes."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from fidelity import support

from perennial import registry
from perennial.problems import Arrays
from perennial.procedures import Group, task_epochs
from perennial.procedures.task_epochs import TaskEpochs

IMAGENET = "continual_imagenet"
CONVNET = {"name": "convnet", "channels": [4, 6, 8], "hidden": [10, 7]}
CBP = {
    "name": "cbp", "step_size": 0.05, "momentum": 0.9, "weight_decay": 0.001, "replacement_rate": 0.04,
    "maturity_threshold": 4, "utility_decay": 0.8, "count": "layer_width",
}  # fmt: skip
MEASURES = (
    "test_accuracy",
    "test_accuracy_by_epoch",
    "train_accuracy_by_epoch",
    "online_accuracy",
    "dead_units",
)
CLASSES, PER_CLASS = 6, 16


@cache
def images() -> Arrays:
    """Six classes: each a pattern of its own, under noise."""
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(CLASSES, 1, 3, 8, 8)).repeat(4, axis=3).repeat(4, axis=4)
    noise = rng.normal(size=(CLASSES, PER_CLASS, 3, 32, 32))
    pixels = np.clip(128 + 50 * patterns + 40 * noise, 0, 255).astype(np.uint8).reshape(-1, 3, 32, 32)
    names = np.array([f"n{c}".encode() for c in range(CLASSES)])
    counts = np.full(CLASSES, PER_CLASS)
    return {"images": pixels, "counts": counts, "names": names, "mean": pixels.mean(axis=0, dtype=np.float64)}


def variant(algorithm: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Settings of a small run: 20 training images a task in mini-batches of 5.

    Args:
        changes: replace `network`, `length`, `precision` or `measures`; any other is a setting of the procedure.
    """
    given = {
        "network": changes.pop("network", CONVNET),
        "length": changes.pop("length", 2),
        "precision": changes.pop("precision", "float64"),
        "measures": {name: {"every": 1} for name in changes.pop("measures", MEASURES)},
    }
    procedure = {"name": "task_epochs", "epochs": 3, "batch_size": 5, **changes}
    problem = {"name": IMAGENET, "classes": CLASSES, "train_per_class": 10, "test_per_class": 6}
    return {**given, "algorithm": algorithm, "procedure": procedure, "problem": problem}


def stream(
    settings: dict[str, Any], seeds: list[int], engine: str = "stacked", device: str = "cpu"
) -> TaskEpochs:
    """Runs before their first task."""
    module = registry.module("problems", IMAGENET)
    choices = registry.parse("problems", settings["problem"])
    met = [module.sequence(choices, seed, settings["length"]) for seed in seeds]
    return task_epochs.start(Group(settings, seeds, met, images(), engine, device))


def finish(runs: TaskEpochs) -> tuple[Any, dict[str, np.ndarray]]:
    """The last state, and the values of each measure [r, ...], of runs that go on from where they are."""
    support.finish(runs)
    return runs.state(), support.values(runs)

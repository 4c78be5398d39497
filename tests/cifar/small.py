"""A small class-incremental course on made-up images, for the tests of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.procedures import Course, Group

PARTS = {"problem": "problems", "network": "networks", "procedure": "procedures", "algorithm": "algorithms"}


def images() -> dict[str, np.ndarray]:
    """Arrays like those of the data set: every class has a colour and a stripe of its own, with noise."""
    draw, found = np.random.default_rng(5), {}
    looks = (
        draw.integers(40, 215, (100, 3, 1, 1))
        + 40 * (np.arange(32) % (2 + np.arange(100)[:, None] % 7) == 0)[:, None, None, :]
    )  # [class, channel, 1, x]
    for part, each in (("train", 500), ("test", 100)):
        labels = draw.permutation(np.repeat(np.arange(100), each)).astype(np.uint8)
        noise = draw.integers(-30, 31, (len(labels), 1, 32, 1))
        found[f"{part}_images"] = np.clip(looks[labels] + noise, 0, 255).astype(np.uint8)
        found[f"{part}_labels"] = labels
    return found


L2 = {"name": "l2", "step_size": 0.1, "momentum": 0.9, "weight_decay": 0.005}


def settings(algorithm: dict[str, Any] | None = None, **changes: dict[str, Any]) -> dict[str, Any]:
    """Canonical settings of a run of two tasks; `changes` by part."""
    given = {
        "problem": {"name": "class_incremental", "classes_per_task": 2, "train_per_class": 12, "side": 8, "crop": 1,
                    "validation_per_class": 5, "test_per_class": 10},
        "network": {"name": "resnet18", "widths": [4, 6], "blocks": 1},
        "procedure": {"name": "class_increments", "epochs": 3, "batch_size": 8, "probe_examples": 30},
        "algorithm": algorithm or L2,
    }  # fmt: skip
    found: dict[str, Any] = {}
    for part, kind in PARTS.items():
        own = {**given[part], **changes.get(part, {})}
        found[part] = {"name": own["name"], **registry.parse(kind, own).model_dump()}
    measures = ["test_accuracy", "test_accuracy_by_epoch", "test_accuracy_by_class", "dormant_units",
                "stable_rank_of_last"]  # fmt: skip
    kept = {"precision": "float64", "length": 2, "measures": {name: {"every": 1} for name in measures}}
    return {**found, **kept, **changes.get("rest", {})}


def course(own: dict[str, Any], seeds: list[int], data: dict[str, np.ndarray]) -> Course:
    """The runs at their beginning."""
    problem = registry.module("problems", own["problem"]["name"])
    choices = registry.parse("problems", own["problem"])
    met = [problem.sequence(choices, seed, own["length"]) for seed in seeds]
    return registry.module("procedures", own["procedure"]["name"]).start(Group(own, seeds, met, data))

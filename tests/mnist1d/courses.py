"""Small courses on MNIST-1D for the tests of its procedures."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.learning import tree
from perennial.procedures import Course, Group

DATA = {"name": "mnist1d", "num_samples": 200, "train_split": 0.5}
ADAM = {"name": "adam", "step_size": 0.01}
SEEDS = [0, 1, 5]


def settings(
    procedure: dict[str, Any],
    network: dict[str, Any],
    measures: dict[str, int],
    length: int,
    problem: dict[str, Any] = DATA,
    algorithm: dict[str, Any] = ADAM,
    precision: str = "float32",
) -> dict[str, Any]:
    """Canonical settings of a variant; measure -> at every how many."""
    parts = {"problem": problem, "network": network, "procedure": procedure, "algorithm": algorithm}
    typed = {
        part: {
            "name": own["name"],
            **registry.parse(registry.PARTS[part], own).model_dump(mode="json"),
        }
        for part, own in parts.items()
    }
    every = {name: {"every": count} for name, count in measures.items()}
    return {**typed, "measures": every, "length": length, "precision": precision}


def begin(own: dict[str, Any], seeds: list[int] = SEEDS, engine: str = "stacked") -> Course:
    """Runs before their first step."""
    module, choices = registry.world(own)
    met = [module.sequence(choices, seed, own["length"]) for seed in seeds]
    return registry.module("procedures", own["procedure"]["name"]).start(
        Group(own, seeds, met, engine=engine)
    )


def finish(course: Course) -> int:
    """Run-steps to the end."""
    return sum(course.pieces())


def equal(one: Course, other: Course) -> bool:
    """Whether two courses ended alike, to the last bit."""
    states = list(zip(tree.leaves(one.state()), tree.leaves(other.state()), strict=True))
    found = zip(one.results(), other.results(), strict=True)
    same = [path == there and np.array_equal(a, b) for (path, a), (there, b) in states]
    same += [np.array_equal(a, b) for x, y in found for a, b in zip(x.values, y.values, strict=True)]
    return all(same)


def check_contract(own: dict[str, Any], seeds: list[int] = SEEDS) -> Course:
    """A course goes on to the last bit where it was cut, no run depends on its neighbours, and its cost is as told."""
    whole, snapshots, done = begin(own, seeds), [], 0
    for run_steps in whole.pieces():
        done += run_steps
        snapshots.append(whole.snapshot())
    cost = registry.module("procedures", own["procedure"]["name"]).cost(own)
    assert done == whole.total == cost.steps * len(seeds)
    for kept in (snapshots[0], snapshots[len(snapshots) // 2]):
        resumed = begin(own, seeds)
        resumed.restore(kept)
        finish(resumed)
        assert equal(whole, resumed)
    alone = begin(own, seeds[1:2])
    finish(alone)
    pairs = zip(tree.leaves(whole.state()), tree.leaves(alone.state()), strict=True)
    assert all(np.array_equal(a[1:2], b) for (_, a), (_, b) in pairs)
    for x, y in zip(whole.results(), alone.results(), strict=True):
        assert np.array_equal(x.values[1], y.values[0]), x.name
    return whole

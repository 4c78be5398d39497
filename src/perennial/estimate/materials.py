"""What a rehearsal needs: data or a stand-in for them, and what some seeds meet first. Nothing is downloaded."""

from __future__ import annotations

import functools
import json
from typing import Any

from perennial import datasets, registry
from perennial.config import Study
from perennial.dag.stage_code import dataset_of
from perennial.files import store
from perennial.problems import Arrays
from perennial.procedures import Group

MOST_TASKS = 300  # of which sequences are drawn: a rehearsal meets no more


def shortened(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run of `MOST_TASKS` at most, where its length is one of tasks."""
    return {**settings, "length": min(settings["length"], MOST_TASKS)} if "problem" in settings else settings


class Materials:
    """The data sets and sequences of a study.

    Args:
        study: the validated config.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    def has_data(self, settings: dict[str, Any]) -> bool:
        """Whether there are data for a variant, real or made up. Loads none."""
        name = dataset_of(settings)
        return name is None or self.is_there(name) or hasattr(registry.module("datasets", name), "stand_in")

    @functools.cache  # noqa: B019  lives as long as the command
    def is_there(self, name: str) -> bool:
        """Whether a data set's own file is there and whole."""
        path = self.study.results / "data" / f"{name}.h5"
        return path.is_file() and store.check(path) is None

    def group(self, settings: dict[str, Any], runs: int, engine: str, device: str) -> Group:
        """Seeds 0, 1, ... of a variant before their first step, their course shortened."""
        own, name = shortened(settings), dataset_of(settings)
        world = json.dumps({part: own[part] for part in registry.WORLDS if part in own})
        met = [self._sequence(world, own["length"], seed) for seed in range(runs)]
        return Group(own, list(range(runs)), met, self._data(name) if name else None, engine, device)

    @functools.cache  # noqa: B019
    def _data(self, name: str) -> Arrays:
        """The arrays of a data set, or of its stand-in."""
        if self.is_there(name):
            return datasets.read(self.study.results / "data" / f"{name}.h5")
        return registry.module("datasets", name).stand_in()

    @functools.cache  # noqa: B019
    def _sequence(self, world: str, length: int, seed: int) -> Arrays:
        module, choices = registry.world(json.loads(world))
        return module.sequence(choices, seed, length)

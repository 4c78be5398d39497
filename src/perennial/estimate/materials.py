"""What a rehearsal needs: data or a stand-in for them, one seed's problem, the network's size, a task's length."""

from __future__ import annotations

import functools
import json
from typing import Any

from perennial import datasets, registry
from perennial.config import Study
from perennial.files import store
from perennial.problems import Arrays
from perennial.procedures import Cost

MOST_TASKS = 300  # of which sequences are drawn: a rehearsal meets no more


class Materials:
    """The data sets and problems of a study. Nothing is downloaded.

    Args:
        study: the validated config.
    """

    def __init__(self, study: Study) -> None:
        self.study = study

    def has_data(self, settings: dict[str, Any]) -> bool:
        """Whether there are data for a variant, real or made up. Loads none."""
        name = registry.module("problems", settings["problem"]["name"]).DATASET
        return name is None or self.is_there(name) or hasattr(registry.module("datasets", name), "stand_in")

    @functools.cache  # noqa: B019  lives as long as the command
    def is_there(self, name: str) -> bool:
        """Whether a data set's own file is there and whole."""
        path = self.study.results / "data" / f"{name}.h5"
        return path.is_file() and store.check(path) is None

    @functools.cache  # noqa: B019
    def data(self, name: str | None) -> Arrays | None:
        """The arrays of a data set, or of its stand-in; None where there is neither."""
        if name is None:
            return None
        if self.is_there(name):
            return datasets.read(self.study.results / "data" / f"{name}.h5")
        stand_in = getattr(registry.module("datasets", name), "stand_in", None)
        return stand_in() if stand_in else None

    def sequence(self, settings: dict[str, Any], seed: int = 0) -> Arrays:
        """What a seed meets in its first tasks."""
        return self._sequence(json.dumps(settings["problem"]), min(settings["length"], MOST_TASKS), seed)

    def dataset(self, settings: dict[str, Any]) -> Arrays | None:
        """The data of a variant's problem."""
        return self.data(registry.module("problems", settings["problem"]["name"]).DATASET)

    def problem(self, settings: dict[str, Any], seed: int = 0) -> Any:
        """One seed's problem."""
        module = registry.module("problems", settings["problem"]["name"])
        choices = registry.parse("problems", settings["problem"])
        return module.Problem(choices, seed, self.sequence(settings, seed), self.dataset(settings))

    def cost(self, settings: dict[str, Any]) -> Cost:
        """What one run takes, as its procedure tells it."""
        return registry.module("procedures", settings["procedure"]["name"]).cost(settings)

    def weights(self, settings: dict[str, Any]) -> int:
        """Number of weights of one run's networks, biases left out."""
        return self.cost(settings).weights

    def steps(self, settings: dict[str, Any]) -> int:
        """Updates of one run in one task."""
        return self.cost(settings).steps // settings["length"]

    @functools.cache  # noqa: B019
    def _sequence(self, problem: str, tasks: int, seed: int) -> Arrays:
        settings = json.loads(problem)
        module = registry.module("problems", settings["name"])
        return module.sequence(registry.parse("problems", settings), seed, tasks)

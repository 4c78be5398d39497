"""What is measured while agents act: episodes, the policy's inside at the end of windows, changes by rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from perennial import registry
from perennial.learning.learner import State
from perennial.procedures import Series

Weights = dict[str, np.ndarray]


class Recorded:
    """Measures of a group of runs.

    Args:
        measures: name -> settings, with `every` in steps.
        runs: number of runs r.
        units: of each hidden layer of the policy.
        window: steps whose activations an internal measure sees.
        dtype: of the activations.
    """

    def __init__(
        self, measures: Mapping[str, Any], runs: int, units: tuple[int, ...], window: int, dtype: str
    ) -> None:
        self.measures, self.runs = measures, runs
        self.kinds = {name: registry.module("measures", name).KIND for name in measures}
        self.rewards: list[list[float]] = [[] for _ in range(runs)]  # of the episode that runs
        self.ended: dict[str, list[list[tuple[int, float]]]] = {
            name: [[] for _ in range(runs)] for name in self._of("episodes")
        }
        wanted = self._of("internals", "policy")
        self.features = [np.zeros((runs, window if wanted else 0, n), dtype) for n in units]  # [r, t, h]
        self.taken: dict[str, list[np.ndarray]] = {
            name: [] for name in (*wanted, *self._of("changes"))
        }  # each [r]

    def _of(self, *kinds: str) -> list[str]:
        return [name for name, own in self.kinds.items() if own in kinds]

    def step(self, run: int, step: int, reward: float, ended: bool, hidden: list[np.ndarray]) -> None:
        """A run has done step number `step`; hidden: the policy's activations [1, h] there."""
        for array, h in zip(self.features, hidden, strict=True):
            if array.shape[1]:
                array[run, step % array.shape[1]] = h[0]
        self.rewards[run].append(reward)
        if not ended:
            return
        for name, found in self.ended.items():
            value = registry.module("measures", name).measure(np.array(self.rewards[run]))
            found[run].append((step + 1, value))
        self.rewards[run] = []

    def internals(self, steps: int, policies: list[Weights]) -> None:
        """So many steps are done in all runs: take what is due."""
        for name in self._of("internals", "policy"):
            if steps % self.measures[name]["every"] == 0:
                measure = registry.module("measures", name).measure
                rows = [measure(w, [array[r] for array in self.features]) for r, w in enumerate(policies)]
                self.taken[name].append(np.array(rows, np.float64))

    def changes(self, before: list[Weights], after: list[Weights]) -> None:
        """The updates of a rollout are done."""
        for name in self._of("changes"):
            measure = registry.module("measures", name).measure
            rows = [measure(*pair) for pair in zip(before, after, strict=True)]
            self.taken[name].append(np.array(rows, np.float64))

    def state(self) -> State:
        """All of it as arrays."""
        episodes = {
            f"run_{r}": {
                "rewards": np.array(self.rewards[r], np.float64),
                **{name: np.array(found[r], np.float64).reshape(-1, 2) for name, found in self.ended.items()},
            }
            for r in range(self.runs)
        }
        taken = {name: np.array(rows).reshape(-1, self.runs) for name, rows in self.taken.items()}
        features = {f"layer_{k}": array.copy() for k, array in enumerate(self.features)}
        return {"episodes": episodes, "taken": taken, "features": features}

    def load(self, state: State) -> None:
        """Take over a state.

        Raises:
            ValueError: it is of other runs.
        """
        for k, array in enumerate(self.features):
            kept = state["features"][f"layer_{k}"]
            if kept.shape != array.shape:
                raise ValueError(f"activations have the shape {kept.shape}, wanted {array.shape}")
            array[...] = kept
        for r in range(self.runs):
            own = state["episodes"][f"run_{r}"]
            self.rewards[r] = list(map(float, own["rewards"]))
            for name, found in self.ended.items():
                found[r] = [(int(step), float(value)) for step, value in own[name]]
        self.taken = {name: list(state["taken"][name]) for name in self.taken}

    def series(self, rollout: int) -> list[Series]:
        """A point for each episode; for each time at which the inside was measured; for each block of rollouts."""
        return [self._series(name, rollout) for name in self.measures]

    def _series(self, name: str, rollout: int) -> Series:
        module, every = registry.module("measures", name), self.measures[name]["every"]
        about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
        if self.kinds[name] == "episodes":
            positions = [np.array([step for step, _ in run], np.int64) for run in self.ended[name]]
            values = [np.array([value for _, value in run], np.float64) for run in self.ended[name]]
            return Series(name, "step", positions, values, *about, ragged=True)
        rows = np.array(self.taken[name]).reshape(-1, self.runs).T  # [r, n]
        if self.kinds[name] == "changes":  # the largest of each block; an unfinished last block is dropped
            size = every // rollout
            blocks = rows.shape[1] // size
            rows = rows[:, : blocks * size].reshape(self.runs, blocks, size).max(2)
        steps = every * np.arange(1, rows.shape[1] + 1)
        return Series(name, "step", [steps], list(rows), *about)

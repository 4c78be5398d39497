"""Rounds of training and pruning: after each the smallest weights are masked, and the others start where they began.

There is no learner: the masked network is differentiated here, and the course owns its update.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from perennial import registry, streams
from perennial.lazy import torch
from perennial.learning import losses, tree
from perennial.learning.learner import Need, State
from perennial.procedures import Cost, Group, Series
from perennial.settings import Settings as Base

LENGTH = "rounds"
MEASURES = ("rounds",)
PIECE = 50  # updates


class Settings(Base):
    """Settings of pruning in rounds."""

    updates: int = Field(200, ge=1, description="updates of one round")
    batch_size: int = Field(20, ge=1, description="examples of one update")
    share: float = Field(0.3, gt=0, lt=1, description="share of the weights left that a round masks")


class PruningRounds:
    """One group of runs: a `perennial.procedures.Course`."""

    def __init__(self, group: Group) -> None:
        settings = self.settings = group.settings
        self.seeds, self.options = group.seeds, registry.parse("procedures", settings["procedure"])
        module, choices = registry.world(settings)
        self.problems = [
            module.Problem(choices, seed, met, group.dataset)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        self.network, self.step_size = _network(settings), settings["algorithm"]["step_size"]
        self.first = [self.network.init(seed, 0, settings["precision"]) for seed in group.seeds]
        self.weights = [_tensors(first) for first in self.first]  # by run, name -> [1, ...]
        self.masks = [
            {name: torch.ones_like(w) for name, w in own.items() if name.startswith("weight_")}
            for own in self.weights
        ]
        self.round, self.update = 0, 0  # rounds done, and updates of the one that runs
        self.total = settings["length"] * self.options.updates * len(group.seeds)
        self.taken: dict[str, list[np.ndarray]] = {name: [] for name in settings["measures"]}  # [r] each

    def pieces(self) -> Iterator[int]:
        """Some updates in all runs; at the end of a round, pruning."""
        while self.round < self.settings["length"]:
            steps = min(PIECE, self.options.updates - self.update)
            for r in range(len(self.seeds)):
                for update in range(self.update, self.update + steps):
                    self._step(r, update)
            self.update += steps
            if self.update == self.options.updates:
                self._end_round()
            yield steps * len(self.seeds)

    def _outputs(self, run: int, weights: dict[str, Any], x: np.ndarray) -> Any:
        masked = {name: w * self.masks[run].get(name, 1) for name, w in weights.items()}
        return self.network.forward(masked, torch.from_numpy(x)[None])[0]  # [b, i] -> [1, b, i] -> [1, b, o]

    def _step(self, run: int, update: int) -> None:
        """w <- w - step_size dL/dw, through the mask: what is masked does not move."""
        task, size = self.problems[run].task(0), self.options.batch_size
        address = streams.Address(streams.ORDER, self.seeds[run], task=self.round + 1, step=update)
        rows = (streams.uniforms(address, size) * len(task.targets)).astype(np.int64)
        leaves = {name: w.detach().requires_grad_() for name, w in self.weights[run].items()}
        batch = {"inputs": None, "targets": torch.from_numpy(task.targets[rows])[None]}
        outputs = self._outputs(run, leaves, task.rows(rows))
        loss, _ = losses.get("cross_entropy")(lambda name, inputs: outputs, batch, {})
        gradients = torch.autograd.grad(loss.sum(), list(leaves.values()))
        for w, g in zip(self.weights[run].values(), gradients, strict=True):
            w.sub_(self.step_size * g)

    def _end_round(self) -> None:
        """Measure, mask the smallest weights that are left in each layer, and go back to the beginning."""
        for name, taken in self.taken.items():
            measure = registry.module("measures", name).measure
            found = []
            for r, problem in enumerate(self.problems):
                task = problem.task(0)
                outputs = self._outputs(r, self.weights[r], task.rows(np.arange(len(task.targets))))
                found.append(measure(outputs[0].numpy(), task.targets))
            taken.append(np.array(found))
        for r, first in enumerate(self.first):
            for name, mask in self.masks[r].items():
                left = int(mask.sum())
                size = (self.weights[r][name].abs() * mask + (1 - mask) * math.inf).nan_to_num(math.inf)
                smallest = size.flatten().argsort(stable=True)[: int(self.options.share * left)]
                mask.view(-1)[smallest] = 0
            self.weights[r] = _tensors(first)
        self.round, self.update = self.round + 1, 0

    def snapshot(self) -> State:
        """Weights, masks, where the runs stand, and what was measured."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        at = {"round": np.array(self.round), "update": np.array(self.update)}
        return {**at, "state": self.state(), "taken": taken}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot."""
        self.round, self.update = int(kept["round"]), int(kept["update"])
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}
        for r in range(len(self.seeds)):
            own = tree.each(torch.tensor, tree.run_of(kept["state"], r))
            self.weights[r], self.masks[r] = own["weights"], own["masks"]

    def state(self) -> State:
        """Weights and masks, [r, ...]."""
        parts = {"weights": self.weights, "masks": self.masks}
        return {name: tree.joined([tree.numbers(run) for run in runs]) for name, runs in parts.items()}

    def results(self) -> list[Series]:
        """Each measure at the end of every round."""
        found = []
        for name, taken in self.taken.items():
            module = registry.module("measures", name)
            values = list(np.stack(taken, axis=1))  # [r, round]
            about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
            found.append(Series(name, "round", [np.arange(1, len(taken) + 1)], values, *about))
        return found


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: torch.tensor(array)[None] for name, array in arrays.items()}


def _network(settings: dict[str, Any]) -> Any:
    problem, own = settings["problem"], settings["network"]
    size = registry.module("problems", problem["name"]).size(registry.parse("problems", problem))
    module = registry.module("networks", own["name"])
    return module.Network(registry.parse("networks", own), size.inputs, size.outputs, size.shape)


def need(settings: dict[str, Any]) -> Need | None:
    """No engine: the course computes its updates itself."""
    return None


def cost(settings: dict[str, Any]) -> Cost:
    """Weights and masks of one network."""
    weights = sum(math.prod(shape) for shape in _network(settings).shapes)
    updates = registry.parse("procedures", settings["procedure"]).updates
    return Cost(settings["length"] * updates, 6 * weights * np.dtype(settings["precision"]).itemsize, weights)


def start(group: Group) -> PruningRounds:
    """A group of runs before their first round."""
    return PruningRounds(group)

"""Learning how to learn, by differentiating through a whole training: a step size that is learned by gradient descent.

An inner training of so many updates of plain gradient descent, all from the same first weights, depends on its step
size. The outer loss is the mean of its losses; its derivative with respect to the step size goes through every inner
update, and the step size makes one step of gradient descent itself. (Greydanus and Kobak 2024, metalearning a learning
rate.) The algorithm's step size is where it begins. There is no learner: the whole inner training is one graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.lazy import torch
from perennial.learning import losses
from perennial.learning.learner import Need, State
from perennial.problems import Size
from perennial.procedures import Cost, Group, Series, _tasks
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

LENGTH = "outer updates"
MEASURES = ("outer",)

Weights = dict[str, Any]  # name -> [1, ...]


class Settings(Base):
    """Settings of learning through training."""

    inner_updates: int = Field(200, ge=1, description="updates of one inner training")
    batch_size: int = Field(
        50, ge=1, description="examples of one inner update; must divide the training examples"
    )
    outer_step_size: float = Field(
        0.3, ge=0, description="step size with which the step size is learned; 0: it stays"
    )
    first_weights: Literal["torch", "stream"] = switch(
        "torch",
        "where the weights come from with which every inner training begins: PyTorch's generator with the run's seed, "
        "or the project's own streams",
        paper="not mentioned",
        code="torch seed 0, drawn once, for all outer updates",
    )


class Unrolled:
    """One group of runs: a `perennial.procedures.Course`. A piece is one outer update of every run."""

    def __init__(self, group: Group) -> None:
        torch.set_num_threads(1)
        settings = self.settings = group.settings
        self.seeds, self.options = group.seeds, registry.parse("procedures", settings["procedure"])
        _check(settings)
        module, choices = registry.world(settings)
        problems = [
            module.Problem(choices, seed, met, group.dataset)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        one = problems[0]
        self.dtype = getattr(torch, settings["precision"])
        self.loss = losses.get(one.loss)
        self.network = _tasks.network(settings, Size(one.inputs, one.outputs, 0))
        self.batches = [self._batches(problem) for problem in problems]
        self.first = [self._first_weights(seed) for seed in group.seeds]
        begin = settings["algorithm"]["step_size"]
        self.step_size = torch.full((len(group.seeds),), begin, dtype=self.dtype)  # [r]
        self.done, self.total = 0, settings["length"] * self.options.inner_updates * len(group.seeds)
        self.taken: dict[str, list[np.ndarray]] = {name: [] for name in settings["measures"]}  # [r] each

    def _batches(self, problem: Any) -> list[dict[str, Any]]:
        """Contiguous slices of the training examples, one for each inner update, axis r of length 1."""
        task, size = problem.task(0), self.options.batch_size
        inputs, targets = torch.tensor(task.inputs, dtype=self.dtype), torch.tensor(task.targets)
        firsts = [k * size % len(targets) for k in range(self.options.inner_updates)]
        return [
            {"inputs": inputs[None, first : first + size], "targets": targets[None, first : first + size]}
            for first in firsts
        ]

    def _first_weights(self, seed: int) -> Weights:
        if self.options.first_weights == "torch":
            return {name: w.to(self.dtype) for name, w in from_torch(self.network, seed).items()}
        fresh = self.network.init(seed, 0, self.settings["precision"])
        return {name: torch.tensor(array)[None] for name, array in fresh.items()}

    def pieces(self) -> Iterator[int]:
        """One inner training of each run, and one step of its step size."""
        while self.done < self.settings["length"]:
            rows: dict[str, list[float]] = {name: [] for name in self.taken}
            for r in range(len(self.seeds)):
                trace = self._outer_update(r)
                for name in self._due():
                    rows[name].append(registry.module("measures", name).measure(trace))
            for name in self._due():
                self.taken[name].append(np.array(rows[name]))
            self.done += 1
            yield self.options.inner_updates * len(self.seeds)

    def _due(self) -> list[str]:
        return [name for name in self.taken if self.done % self.settings["measures"][name]["every"] == 0]

    def _outer_update(self, run: int) -> dict[str, np.ndarray]:
        """eta <- eta - outer_step_size d(mean inner loss)/d(eta): what was met on the way."""
        eta = self.step_size[run].clone().requires_grad_()
        learns = self.options.outer_step_size > 0
        with torch.enable_grad():
            inner = self.inner(self.first[run], eta, self.batches[run], learns)  # [update]
        if learns:
            (slope,) = torch.autograd.grad(inner.mean(), eta)
            self.step_size[run] -= self.options.outer_step_size * slope
        return {"losses": inner.detach().numpy(), "step_size": self.step_size[run].numpy()}

    def inner(self, first: Weights, eta: Any, batches: list[dict[str, Any]], learns: bool = True) -> Any:
        """The losses before each update of plain gradient descent from `first`: [update], differentiable in eta."""
        weights, found = first, []
        for batch in batches:
            leaves = {
                name: w if w.requires_grad else w.detach().requires_grad_() for name, w in weights.items()
            }
            each, _ = self.loss(lambda _, x, w=leaves: self.network.forward(w, x)[0], batch, {})
            gradients = torch.autograd.grad(each.sum(), list(leaves.values()), create_graph=learns)
            weights = {name: w - eta * g for (name, w), g in zip(leaves.items(), gradients, strict=True)}
            if not learns:
                weights = {name: w.detach() for name, w in weights.items()}
            found.append(each[0] if learns else each[0].detach())
        return torch.stack(found)

    def snapshot(self) -> State:
        """The step sizes, how far they are, and what was measured."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        return {"done": np.array(self.done), "state": self.state(), "taken": taken}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        done, found = int(kept["done"]), kept["state"]["algorithm"]["step_size"]
        if not 0 <= done <= self.settings["length"] or found.shape != (len(self.seeds),):
            raise ValueError(
                f"{done} of {self.settings['length']} outer updates of {found.shape} runs are done"
            )
        self.done, self.step_size = done, torch.tensor(found)
        self.taken |= {name: list(rows) for name, rows in kept["taken"].items()}

    def state(self) -> State:
        """All that learns: one step size for each run, [r]."""
        return {"algorithm": {"step_size": self.step_size.numpy().copy()}}

    def results(self) -> list[Series]:
        """Each measure by the number of the outer update, from 0."""
        found = []
        for name, taken in self.taken.items():
            module, every = registry.module("measures", name), self.settings["measures"][name]["every"]
            about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
            positions = [np.arange(len(taken)) * every]
            found.append(Series(name, "outer_step", positions, list(np.stack(taken, axis=1)), *about))
        return found


def from_torch(network: Any, seed: int) -> Weights:
    """First weights as `torch.nn.Linear` draws them after `torch.manual_seed(seed)`, layer by layer: [1, i, o], [1, o].

    Its weights are [o, i] and come before its biases; both are uniform within +-1 / sqrt(fan_in).
    """
    generator, found = torch.Generator().manual_seed(seed), {}
    for layer, (i, o) in enumerate(network.shapes):
        weight, bias = (
            torch.empty(size).uniform_(-(i**-0.5), i**-0.5, generator=generator) for size in ((o, i), (o,))
        )
        found[f"weight_{layer}"], found[f"bias_{layer}"] = weight.T.contiguous()[None], bias[None]
    return found


def _check(settings: dict[str, Any]) -> None:
    algorithm, network = settings["algorithm"], settings["network"]["name"]
    if algorithm["name"] != "backprop" or algorithm["momentum"]:
        raise Unfit(
            "unrolled: the inner training is plain gradient descent (allowed: algorithm: backprop, momentum: 0)"
        )
    if network not in ("mlp", "residual_mlp"):
        raise Unfit(f"unrolled: network '{network}' is not fully connected (allowed: mlp, residual_mlp)")
    size, examples = settings["procedure"]["batch_size"], _tasks.size_of(settings).examples
    if examples % size:
        raise Unfit(f"unrolled: batch_size: {size} does not divide the {examples} training examples")
    for name in settings["measures"]:
        if registry.module("measures", name).KIND not in MEASURES:
            raise Unfit(f"unrolled: measures: {name}: cannot be taken of an inner training")


def need(settings: dict[str, Any]) -> Need | None:
    """No engine: the course differentiates through its updates itself."""
    return None


def cost(settings: dict[str, Any]) -> Cost:
    """An inner training for each outer update. Its graph holds the weights and their gradients of every inner update.

    Raises:
        Unfit: what is to be learned through is no plain gradient descent.
    """
    _check(settings)
    updates = settings["procedure"]["inner_updates"]
    one = _tasks.cost_of(settings, updates)
    return Cost(one.steps, one.memory * updates, one.weights)


def start(group: Group) -> Unrolled:
    """A group of runs before their first outer update."""
    return Unrolled(group)

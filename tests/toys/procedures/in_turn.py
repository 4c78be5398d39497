"""Two networks that share their first layer are trained in turn, each on its own target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from perennial import registry
from perennial.learning import engines
from perennial.learning.learner import Need, State
from perennial.learning.losses import LossSpec
from perennial.learning.views import Networks
from perennial.procedures import Cost, Group, Series
from perennial.settings import Settings as Base
from perennial.streams.clock import Clock

LENGTH = "updates"
MEASURES = ("networks",)
NAMES = ("first", "second")
SHARED = {("second", name): ("first", name) for name in ("weight_0", "bias_0")}
PROBE = 2**31  # the number of the update whose examples are kept for tests


class Settings(Base):
    """Settings of training in turn."""

    turn: int = Field(20, ge=1, description="updates of one network before the other has its turn")


class InTurn:
    """One group of runs: a `perennial.procedures.Course`. A piece is a turn."""

    def __init__(self, group: Group) -> None:
        settings = self.settings = group.settings
        self.seeds, own = group.seeds, settings["problem"]
        module, choices = registry.module("problems", own["name"]), registry.parse("problems", own)
        self.problems = [
            module.Problem(choices, seed, met) for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        self.probes = [problem.examples(PROBE, module.PROBE) for problem in self.problems]
        self.batch = choices.batch_size
        self.turn = registry.parse("procedures", settings["procedure"]).turn
        networks = Networks(_networks(settings), SHARED)
        self.learner = engines.learner(group.engine, need(settings), networks, group.seeds, group.device)
        self.learner.load({"weights": networks.init(group.seeds, 0, settings["precision"])})
        self.update, self.total = 0, settings["length"] * len(group.seeds)
        self.taken: dict[str, list[np.ndarray]] = {
            name: [] for name in settings["measures"]
        }  # [r, network] each

    def pieces(self) -> Iterator[int]:
        """A turn of one network in all runs; both are tested before it."""
        while self.update < self.settings["length"]:
            self._measure()
            stop = min(self.update + self.turn, self.settings["length"])
            steps, which = stop - self.update, (self.update // self.turn) % 2
            while self.update < stop:
                self._step(which)
            yield steps * len(self.seeds)

    def _step(self, which: int) -> None:
        shown = [problem.examples(self.update, self.batch) for problem in self.problems]
        inputs, targets = (np.stack(parts) for parts in zip(*shown, strict=True))  # [r, b, i], [r, b, target]
        batch = {"inputs": inputs, "targets": targets[:, :, which]}
        loss = LossSpec("squared_error", {"network": NAMES[which]})
        self.learner.step(loss, batch, Clock(self.seeds, 0, self.update))
        self.update += 1

    def _measure(self) -> None:
        for name, taken in self.taken.items():
            if self.update % self.settings["measures"][name]["every"] == 0:
                measure = registry.module("measures", name).measure
                taken.append(np.stack([measure(self._outputs(r), y) for r, (_, y) in enumerate(self.probes)]))

    def _outputs(self, run: int) -> np.ndarray:
        """[b, network]"""
        x = self.probes[run][0]
        return np.concatenate([self.learner.predict(run, x, name) for name in NAMES], axis=1)

    def snapshot(self) -> State:
        """The learner and what was measured."""
        taken = {name: np.stack(found) for name, found in self.taken.items() if found}
        return {"update": np.array(self.update), "learner": self.learner.state(), "taken": taken}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot."""
        self.update = int(kept["update"])
        self.learner.load(kept["learner"])
        self.taken |= {name: list(found) for name, found in kept["taken"].items()}

    def state(self) -> State:
        """The state of both networks."""
        return self.learner.state()

    def results(self) -> list[Series]:
        """Each measure at every so many updates."""
        found = []
        for name, taken in self.taken.items():
            module = registry.module("measures", name)
            every = self.settings["measures"][name]["every"]
            step = math.lcm(every, self.turn)  # it is looked at before turns only
            positions = np.arange(len(taken)) * step
            values = list(np.stack(taken, axis=1))  # [r, point, network]
            axes = {"network": np.array([1, 2])}
            about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
            found.append(Series(name, "update", [positions], values, *about, axes))
        return found


def _networks(settings: dict[str, Any]) -> dict[str, Any]:
    problem, own = settings["problem"], settings["network"]
    size = registry.module("problems", problem["name"]).size(registry.parse("problems", problem))
    module, choices = registry.module("networks", own["name"]), registry.parse("networks", own)
    return {name: module.Network(choices, size.inputs, size.outputs, size.shape) for name in NAMES}


def need(settings: dict[str, Any]) -> Need:
    """Two networks with a common layer, mini-batches."""
    batch = registry.parse("problems", settings["problem"]).batch_size
    networks = dict.fromkeys(NAMES, settings["network"])
    loss = LossSpec("squared_error")
    return Need(
        networks,
        settings["algorithm"],
        loss,
        batch,
        tasks=False,
        shared=True,
        precision=settings["precision"],
    )


def cost(settings: dict[str, Any]) -> Cost:
    """One update after the other; the shared layer counts once."""
    first, second = (network.shapes for network in _networks(settings).values())
    weights = sum(math.prod(shape) for shape in [*first, *second[1:]])
    return Cost(settings["length"], 8 * weights * np.dtype(settings["precision"]).itemsize, weights)


def start(group: Group) -> InTurn:
    """A group of runs before their first update."""
    return InTurn(group)

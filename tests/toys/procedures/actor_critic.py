"""One-step actor-critic: a policy and a value network act in an environment and learn from every step.

Runs move in step through the environment's steps; their episodes end when they end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydantic import Field

from perennial import registry, streams
from perennial.lazy import torch
from perennial.learning import engines, losses
from perennial.learning.learner import Need, State
from perennial.learning.losses import LossSpec
from perennial.learning.views import Networks
from perennial.procedures import Cost, Group, Series
from perennial.settings import Settings as Base
from perennial.streams.clock import Clock

LENGTH = "environment steps"
MEASURES = ("episodes",)
LOSS = LossSpec("actor_critic")
PIECE = 100  # steps


class Settings(Base):
    """Settings of the actor-critic."""

    discount: float = Field(0.95, ge=0, le=1, description="discount of later rewards (gamma)")


@losses.register
def actor_critic(
    forward: losses.Forward, batch: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[Any, Any]:
    """-advantage log pi(action) + (value - target)^2 / 2; performance: the value before the update.

    Batch: observations [r, b, i], actions, advantages and targets [r, b].
    """
    logits = torch.log_softmax(forward("policy", batch["observations"]), 2)  # [r, b, action]
    chosen = logits.gather(2, batch["actions"].unsqueeze(2))[:, :, 0]  # [r, b]
    values = forward("value", batch["observations"])[:, :, 0]  # [r, b]
    loss = -batch["advantages"] * chosen + (values - batch["targets"]) ** 2 / 2
    return loss.mean(1), values.mean(1)


class ActorCritic:
    """One group of runs: a `perennial.procedures.Course`."""

    def __init__(self, group: Group) -> None:
        settings = self.settings = group.settings
        self.seeds, own = group.seeds, settings["environment"]
        module, choices = registry.module("environments", own["name"]), registry.parse("environments", own)
        self.environments = [
            module.Environment(choices, seed, met)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        self.discount = registry.parse("procedures", settings["procedure"]).discount
        networks = Networks(_networks(settings))
        self.learner = engines.learner(group.engine, need(settings), networks, group.seeds, group.device)
        self.learner.load({"weights": networks.init(group.seeds, 0, settings["precision"])})
        self.step, self.total = 0, settings["length"] * len(group.seeds)
        self.rewards: list[list[float]] = [[] for _ in group.seeds]  # of the episode that runs
        #: by measure and run: (step at which an episode ended, value)
        self.ended: dict[str, list[list[tuple[int, float]]]] = {
            name: [[] for _ in group.seeds] for name in settings["measures"]
        }

    def pieces(self) -> Iterator[int]:
        """Some steps in all runs."""
        while self.step < self.settings["length"]:
            stop = min(self.step + PIECE, self.settings["length"])
            steps = stop - self.step
            while self.step < stop:
                self._act_and_learn()
            yield steps * len(self.seeds)

    def _act_and_learn(self) -> None:
        batch: dict[str, list[Any]] = {
            key: [] for key in ("observations", "actions", "advantages", "targets")
        }
        for r, environment in enumerate(self.environments):
            seen = environment.observe()
            action = self._sample(r, seen)
            reward, ended = environment.act(action, self.step)
            later = 0.0 if ended else self._value(r, environment.observe())
            target = reward + self.discount * later
            for key, value in zip(batch, (seen, action, target - self._value(r, seen), target), strict=True):
                batch[key].append([value])  # one example a step
            self._record(r, reward, ended)
        self.learner.step(
            LOSS, {key: np.array(rows) for key, rows in batch.items()}, Clock(self.seeds, 0, self.step)
        )
        self.step += 1

    def _sample(self, run: int, seen: np.ndarray) -> int:
        logits = self.learner.predict(run, seen[None], "policy")[0].astype(np.float64)
        p = 1 / (1 + math.exp(logits[0] - logits[1]))  # of going right
        address = streams.Address(streams.POLICY, self.seeds[run], step=self.step)
        return int(streams.uniforms(address, 1)[0] < p)

    def _value(self, run: int, seen: np.ndarray) -> float:
        return float(self.learner.predict(run, seen[None], "value")[0, 0])

    def _record(self, run: int, reward: float, ended: bool) -> None:
        self.rewards[run].append(reward)
        if ended:
            for name, found in self.ended.items():
                value = registry.module("measures", name).measure(np.array(self.rewards[run]))
                found[run].append((self.step + 1, value))
            self.rewards[run] = []

    def snapshot(self) -> State:
        """The learner, the environments, the episodes that run, and what was measured."""
        runs = {
            f"run_{r}": {
                "environment": environment.state(),
                "rewards": np.array(self.rewards[r]),
                "ended": {name: np.array(found[r]).reshape(-1, 2) for name, found in self.ended.items()},
            }
            for r, environment in enumerate(self.environments)
        }
        return {"step": np.array(self.step), "learner": self.learner.state(), "runs": runs}

    def restore(self, kept: State) -> None:
        """Go on from a snapshot."""
        self.step = int(kept["step"])
        self.learner.load(kept["learner"])
        for r, environment in enumerate(self.environments):
            own = kept["runs"][f"run_{r}"]
            environment.load(own["environment"])
            self.rewards[r] = list(own["rewards"])
            for name, rows in own["ended"].items():
                self.ended[name][r] = [(int(step), float(value)) for step, value in rows]

    def state(self) -> State:
        """The state of both networks."""
        return self.learner.state()

    def results(self) -> list[Series]:
        """One point for each episode."""
        found = []
        for name, runs in self.ended.items():
            module = registry.module("measures", name)
            positions = [np.array([step for step, _ in run], np.int64) for run in runs]
            values = [np.array([value for _, value in run]) for run in runs]
            about = (module.UNITS, module.DESCRIPTION, module.SOURCE)
            found.append(Series(name, "step", positions, values, *about, ragged=True))
        return found


def _networks(settings: dict[str, Any]) -> dict[str, Any]:
    """A policy with an output for each action, and a value network of the same shape with one."""
    environment, own = settings["environment"], settings["network"]
    size = registry.module("environments", environment["name"]).size(
        registry.parse("environments", environment)
    )
    module, choices = registry.module("networks", own["name"]), registry.parse("networks", own)
    outputs = {"policy": size.outputs, "value": 1}
    return {name: module.Network(choices, size.inputs, n, size.shape) for name, n in outputs.items()}


def need(settings: dict[str, Any]) -> Need:
    """Two networks, one example a step."""
    networks = dict.fromkeys(("policy", "value"), settings["network"])
    return Need(networks, settings["algorithm"], LOSS, tasks=False, precision=settings["precision"])


def cost(settings: dict[str, Any]) -> Cost:
    """One update for each step."""
    shapes = [shape for network in _networks(settings).values() for shape in network.shapes]
    weights = sum(math.prod(shape) for shape in shapes)
    return Cost(settings["length"], 8 * weights * np.dtype(settings["precision"]).itemsize, weights)


def start(group: Group) -> ActorCritic:
    """A group of runs before their first step."""
    return ActorCritic(group)

"""Proximal policy optimisation (Schulman et al. 2017) as Nature 2024 used it: one environment for each run.

The agent acts for a rollout, which may end within an episode; then policy, its spread and value network take several
passes over the rollout in mini-batches, as one set of parameters under one algorithm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import registry, streams
from perennial.lazy import torch
from perennial.learning import algorithms, engines, losses, tree
from perennial.learning.engines import stacked
from perennial.learning.learner import Need, State
from perennial.learning.losses import LossSpec
from perennial.learning.views import Networks
from perennial.procedures import Cost, Group, Series, _gaussian, _rollout
from perennial.procedures._recorded import Recorded
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch
from perennial.streams.clock import Clock

LENGTH = "environment steps"
MEASURES = ("episodes", "internals", "policy", "changes")
POLICY, VALUE = "policy", "value"
PIECE = (
    2048  # steps of acting at most; a piece ends where a rollout does, so that it has its share of updates
)
COPIES = 4  # arrays like the weights that a run holds at most


class Settings(Base):
    """Settings of proximal policy optimisation."""

    rollout: int = Field(2048, ge=2, description="steps between two rounds of updates")
    epochs: int = Field(10, ge=1, description="passes over a rollout")
    batch_size: int = Field(128, ge=1, description="examples of an update; must divide the rollout")
    discount: float = Field(0.99, ge=0, le=1, description="discount of later rewards (gamma)")
    trace: float = Field(0.95, ge=0, le=1, description="decay of the advantage estimates (lambda)")
    clip: float = Field(0.2, gt=0, description="the policy's ratio counts within 1 +- this (epsilon)")
    value_weight: float = Field(1.0, ge=0, description="weight of the squared value error in the loss")
    window: int = Field(1000, ge=1, description="steps whose activations an internal measure sees")
    time_out: Literal["terminal", "bootstrap"] = switch(
        "terminal",
        "what follows an episode that ends by its time limit: nothing, or the value of its last observation",
        paper="not mentioned",
        code="nothing",
    )


@losses.register
def ppo(forward: losses.Forward, batch: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """-min(ratio A, clipped ratio A) + value_weight (value - target)^2; performance: the first part alone.

    Batch: observations [r, b, i], actions [r, b, o]; log_probabilities, advantages and targets [r, b].
    """
    outputs = forward(POLICY, batch["observations"])
    logs = _gaussian.log_probability(batch["actions"], outputs)
    ratio, a = torch.exp(logs - batch["log_probabilities"]), batch["advantages"]
    clipped = ratio.clamp(1 - settings["clip"], 1 + settings["clip"])
    gain = torch.minimum(ratio * a, clipped * a).mean(1)  # [r, b] -> [r]
    values = forward(VALUE, batch["observations"])[:, :, 0]
    return settings["value_weight"] * ((values - batch["targets"]) ** 2).mean(1) - gain, gain


class PPO:
    """One group of runs: a `perennial.procedures.Course`."""

    def __init__(self, group: Group) -> None:
        settings = self.settings = group.settings
        self.seeds, self.dtype, own = group.seeds, settings["precision"], settings["environment"]
        self.options = registry.parse("procedures", settings["procedure"])
        check(settings, self.options)
        module, choices = registry.module("environments", own["name"]), registry.parse("environments", own)
        self.environments = [
            module.Environment(choices, seed, met)
            for seed, met in zip(group.seeds, group.sequences, strict=True)
        ]
        size, runs = module.size(choices), len(group.seeds)
        self.networks = Networks(_networks(settings))
        self.loss = need(settings).loss
        self.learner = engines.learner(group.engine, need(settings), self.networks, group.seeds, group.device)
        self.learner.load({"weights": self.networks.init(group.seeds, 0, self.dtype)})
        self.rollout = _rollout.Rollout(runs, self.options.rollout, size.inputs, size.outputs, self.dtype)
        self.noise = [_gaussian.Noise(seed, size.outputs) for seed in group.seeds]
        units = self.networks.views[POLICY].network.sizes[1:-1]
        self.recorded = Recorded(settings["measures"], runs, units, self.options.window, self.dtype)
        self.step = self.updates = 0
        self.total = settings["length"] * runs
        self._look()

    def pieces(self) -> Iterator[int]:
        """Some steps in all runs, and where a rollout is full the updates from it."""
        while self.step < self.settings["length"]:
            full = self.step - self.step % self.options.rollout + self.options.rollout
            stop = min(self.step + PIECE, full, self.settings["length"])
            steps = stop - self.step
            while self.step < stop:
                for r in range(len(self.seeds)):
                    self._act(r)
                self.step += 1
                self.recorded.internals(self.step, self._shown)
            if stop == full:
                self._learn()
            yield steps * len(self.seeds)

    def _look(self) -> None:
        """Remember the policies as they are now: acting goes through plain arrays, run by run."""
        state = self.learner.state()
        algorithm = registry.module("algorithms", self.settings["algorithm"]["name"])
        hyper = registry.parse("algorithms", self.settings["algorithm"])
        view = self.networks.views[POLICY]
        self._own = [tree.each(np.copy, tree.run_of(state, r)) for r in range(len(self.seeds))]
        self._shown = [
            {name: w[0] for name, w in view.own(algorithms.looked_at(algorithm, hyper, own)).items()}
            for own in self._own
        ]
        self._plain = not algorithms.hooks(algorithm, hyper, state, None, self.networks, POLICY)

    def _hidden(self, run: int, x: np.ndarray) -> list[np.ndarray]:
        """Activations of a run's policy for observations x [b, i]: a list of [b, h]."""
        if self._plain:
            return self.networks.views[POLICY].network.features(self._shown[run], x)
        return stacked.probe(self.settings["algorithm"], self.networks, self._own[run], x, POLICY)

    def _act(self, run: int) -> None:
        """One step of one run, into the buffer."""
        t, environment, weights = self.step % self.options.rollout, self.environments[run], self._shown[run]
        buffer = self.rollout
        buffer.observations[run, t] = environment.observe()
        hidden = self._hidden(run, buffer.observations[run, t : t + 1])
        last = self.networks.views[POLICY].network.layers - 1
        mean = (hidden[-1] @ weights[f"weight_{last}"] + weights[f"bias_{last}"])[0]  # [o]
        noise, log_std = self.noise[run].at(self.step).astype(self.dtype), weights["log_std"]
        buffer.actions[run, t] = mean + np.exp(log_std) * noise
        buffer.log_probabilities[run, t] = (-0.5 * noise * noise - log_std - _gaussian.LOG_ROOT).sum()
        reward, ended = environment.act(buffer.actions[run, t], self.step)
        buffer.rewards[run, t], buffer.ended[run, t], buffer.later[run, t] = reward, ended, 0.0
        if ended and environment.timed_out and self.options.time_out == "bootstrap":
            buffer.later[run, t] = self._values(run, environment.final[None])[0]
        self.recorded.step(run, self.step, reward, ended, hidden)

    def _values(self, run: int, x: np.ndarray) -> np.ndarray:
        """[b] float64 for observations x [b, i]."""
        return self.learner.predict(run, x.astype(self.dtype), VALUE)[:, 0].astype(np.float64)

    def _learn(self) -> None:
        """Several passes over the rollout in mini-batches."""
        buffer, options, each = self.rollout, self.options, []
        for r, environment in enumerate(self.environments):
            seen = np.concatenate([buffer.observations[r], environment.observe()[None].astype(self.dtype)])
            each.append(
                _rollout.advantages(
                    buffer.rewards[r],
                    buffer.ended[r],
                    buffer.later[r],
                    self._values(r, seen),
                    options.discount,
                    options.trace,
                )
            )
        table = {
            "observations": buffer.observations,
            "actions": buffer.actions,
            "log_probabilities": buffer.log_probabilities,
            "advantages": np.stack([_rollout.normalised(found) for found, _ in each]),
            "targets": np.stack([targets for _, targets in each]),
        }
        for epoch in range(options.epochs):
            orders = np.stack([self._order(seed, epoch) for seed in self.seeds])  # [r, t]
            for rows in np.split(orders, options.rollout // options.batch_size, axis=1):  # [r, b]
                batch = {
                    name: np.stack([array[r][rows[r]] for r in range(len(rows))])
                    for name, array in table.items()
                }
                self.learner.step(self.loss, batch, Clock(self.seeds, 0, self.updates))
                self.updates += 1
        before = self._shown
        self._look()
        self.recorded.changes(before, self._shown)

    def _order(self, seed: int, epoch: int) -> np.ndarray:
        """In which order a pass goes through the rollout: [t]."""
        number = self.step // self.options.rollout
        address = streams.Address(streams.ORDER, seed, task=number, step=epoch)
        return streams.permutation(address, self.options.rollout)

    def snapshot(self) -> State:
        """Learner, environments, the half-filled buffer, and what was measured."""
        return {
            "step": np.array([self.step, self.updates]),
            "learner": self.learner.state(),
            "rollout": self.rollout.state(),
            "environments": {f"run_{r}": one.state() for r, one in enumerate(self.environments)},
            "recorded": self.recorded.state(),
        }

    def restore(self, kept: State) -> None:
        """Go on from a snapshot.

        Raises:
            ValueError: it is of other runs.
        """
        self.step, self.updates = map(int, kept["step"])
        if not 0 <= self.step <= self.settings["length"]:
            raise ValueError(f"{self.step} of {self.settings['length']} steps are done")
        self.learner.load(kept["learner"])
        self.rollout.load(kept["rollout"])
        for r, environment in enumerate(self.environments):
            environment.load(kept["environments"][f"run_{r}"])
        self.recorded.load(kept["recorded"])
        self._look()

    def state(self) -> State:
        """The state of both networks."""
        return self.learner.state()

    def results(self) -> list[Series]:
        """Everything measured."""
        return self.recorded.series(self.options.rollout)


def _networks(settings: dict[str, Any]) -> dict[str, Any]:
    """A policy with an output for each action, and a value network of the same shape with one."""
    environment, own = settings["environment"], settings["network"]
    size = registry.module("environments", environment["name"]).size(
        registry.parse("environments", environment)
    )
    module, choices = registry.module("networks", own["name"]), registry.parse("networks", own)
    policy, value = (module.Network(choices, size.inputs, n, size.shape) for n in (size.outputs, 1))
    return {POLICY: _gaussian.Policy(policy, size.outputs), VALUE: value}


def check(settings: dict[str, Any], options: Settings) -> None:
    """Whether the settings fit each other.

    Raises:
        Unfit: the mini-batches do not fill a rollout, or a measure is not taken at the end of a window or rollout.
    """
    if options.rollout % options.batch_size:
        raise Unfit(f"ppo: batch_size: {options.batch_size} does not divide the rollout of {options.rollout}")
    window, rollout = ("window", options.window), ("rollout", options.rollout)
    whole = {"internals": window, "policy": window, "changes": rollout}
    for name, own in settings["measures"].items():
        key, unit = whole.get(registry.module("measures", name).KIND, ("", 1))
        if own["every"] % unit:
            raise Unfit(f"measures: {name}: every: {own['every']} is no multiple of procedure.{key}, {unit}")


def need(settings: dict[str, Any]) -> Need:
    """Two networks and mini-batches, step by step."""
    options = registry.parse("procedures", settings["procedure"])
    networks = dict.fromkeys((POLICY, VALUE), settings["network"])
    loss = LossSpec("ppo", {"clip": options.clip, "value_weight": options.value_weight})
    return Need(
        networks,
        settings["algorithm"],
        loss,
        options.batch_size,
        tasks=False,
        precision=settings["precision"],
    )


def cost(settings: dict[str, Any]) -> Cost:
    """Steps of the environment; the updates of whole rollouts are part of them.

    Raises:
        Unfit: see `check`.
    """
    options = registry.parse("procedures", settings["procedure"])
    check(settings, options)
    shapes = [shape for network in _networks(settings).values() for shape in network.shapes]
    weights = sum(map(math.prod, shapes))
    return Cost(settings["length"], 2 * COPIES * weights * np.dtype(settings["precision"]).itemsize, weights)


def start(group: Group) -> PPO:
    """A group of runs before their first step."""
    return PPO(group)

"""Shrink and perturb, incremental form: weight decay and Gaussian noise on every weight at every step.

(Nature 2024, Methods. The original of Ash and Adams 2020 acts once per task.)
"""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import Field, model_validator

from perennial import registry, streams
from perennial.learning.algorithms import Clock, State, backprop, l2
from perennial.settings import switch
from perennial.streams import tensors


class Settings(l2.Settings):
    """Hyper-parameters of shrink and perturb."""

    noise_std: float = Field(
        ge=0, description="standard deviation of the noise added to each weight and bias"
    )
    noise: Literal["gaussian", "sum4"] = switch(
        "gaussian",
        "distribution of the noise: normal, or the cheaper sum of four 4-bit uniforms of equal variance",
        paper="gaussian",
        code="gaussian; the grid's column is called a variance in one table, but is used as standard deviation",
    )
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="the gradient step before the noise")

    _momentum = model_validator(mode="after")(backprop.no_momentum_on_adam)


@functools.cache
def descent(settings: Settings) -> tuple[str, Any]:
    """The gradient step before the noise, an algorithm of its own: its name and settings.

    It is looked up by name, not imported, so that an edit of Adam's file concerns only those who use Adam.
    """
    name = {"sgd": "l2", "adam": "adam"}[settings.optimiser]
    own = registry.module("algorithms", name).Settings
    momentum = {"momentum": settings.momentum} if settings.optimiser == "sgd" else {}
    return name, own(step_size=settings.step_size, weight_decay=settings.weight_decay, **momentum)


def uses(settings: Settings) -> tuple[str, ...]:
    """Other algorithms whose code is part of this one."""
    return (descent(settings)[0],)


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """What the gradient step keeps."""
    name, own = descent(settings)
    return registry.module("algorithms", name).init(own, networks, weights)


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """w <- w - step_size (g + weight_decay w) + noise_std n, n fresh for each weight; or Adam's step, then noise."""
    name, own = descent(settings)
    registry.module("algorithms", name).update(own, networks, state, gradients, features, clock, rate)
    perturb(settings, state["weights"], list(gradients), clock)


def perturb(settings: Settings, weights: State, names: list[str], clock: Clock) -> None:
    """w <- w + noise_std n for the weights of those names. One long draw is cut up over all, so that none depends on
    which took part in the step."""
    noise = tensors.noise_for(weights, list(weights), settings.noise, streams.NOISE, clock)
    for name in names:
        weights[name].add_(noise[name], alpha=settings.noise_std)

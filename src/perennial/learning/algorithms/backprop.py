"""Backpropagation with stochastic gradient descent, with momentum if wished."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State
from perennial.settings import Settings as Base


class Settings(Base):
    """Hyper-parameters of backpropagation."""

    step_size: float = Field(gt=0, description="step size (learning rate)")
    momentum: float = Field(0, ge=0, lt=1, description="share of the last change that is made again (mu)")


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Plain descent keeps nothing between steps; with momentum there is a velocity for each weight."""
    return {"optimiser": velocity(settings, weights), "algorithm": {}}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """w <- w - step_size g, or with momentum v <- momentum v + g, w <- w - step_size v."""
    for name, g in gradients.items():
        descend(settings, state, name, g, rate)


def no_momentum_on_adam(settings: Any) -> Any:
    """Check settings that have both `momentum` and `optimiser`: Adam has a momentum of its own."""
    if settings.momentum > 0 and settings.optimiser == "adam":
        raise ValueError("momentum is not allowed with optimiser: adam (must be 0)")
    return settings


def velocity(settings: Any, weights: dict[str, Any]) -> State:
    """The optimiser's branch of a fresh state; empty without momentum."""
    if settings.momentum == 0:
        return {}
    return {"velocity": {name: torch.zeros_like(w) for name, w in weights.items()}}


def descend(settings: Any, state: State, name: str, g: Any, rate: Any) -> None:
    """One step of one array, in place, without dampening: the gradient g, decay included, joins the velocity."""
    if settings.momentum > 0:
        g = state["optimiser"]["velocity"][name].mul_(settings.momentum).add_(g)
    state["weights"][name].sub_(g * (settings.step_size * rate))

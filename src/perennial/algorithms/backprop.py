"""Backpropagation with plain stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from perennial.algorithms import Clock, State
from perennial.settings import Settings as Base


class Settings(Base):
    """Hyper-parameters of backpropagation."""

    step_size: float = Field(gt=0, description="step size (learning rate)")


def init(settings: Settings, network: Any, weights: dict[str, Any]) -> State:
    """Plain descent keeps nothing between steps."""
    return {"optimiser": {}, "algorithm": {}}


def update(
    settings: Settings, network: Any, state: State, gradients: Any, features: Any, clock: Clock
) -> None:
    """w <- w - step_size g."""
    for name, w in state["weights"].items():
        w.add_(gradients[name], alpha=-settings.step_size)

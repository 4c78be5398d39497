"""L2 regularisation: gradient descent with weight decay, coupled, on all weights and biases."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from perennial.learning.algorithms import Clock, State, backprop


class Settings(backprop.Settings):
    """Hyper-parameters of L2 regularisation."""

    weight_decay: float = Field(ge=0, description="strength of the penalty weight_decay / 2 |w|^2")


init = backprop.init


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """w <- w - step_size (g + weight_decay w); with momentum the decay is part of the velocity."""
    for name, g in gradients.items():
        backprop.descend(settings, state, name, g + settings.weight_decay * state["weights"][name], rate)

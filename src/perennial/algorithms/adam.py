"""Adam (Kingma and Ba 2015) with the standard bias correction; weight decay is coupled where it is used."""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from perennial.algorithms import Clock, State
from perennial.lazy import torch
from perennial.settings import Settings as Base


class Settings(Base):
    """Hyper-parameters of Adam."""

    step_size: float = Field(gt=0, description="step size (learning rate)")
    beta_1: float = Field(0.9, ge=0, lt=1, description="decay of the mean of the gradients")
    beta_2: float = Field(0.999, ge=0, lt=1, description="decay of the mean of their squares")
    epsilon: float = Field(1e-8, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.0, ge=0, description="strength of the coupled L2 penalty")


def init(settings: Settings, network: Any, weights: dict[str, Any]) -> State:
    """Moments like the weights; `step` [r] counts updates."""
    runs = next(iter(weights.values())).shape[0]
    return {
        "optimiser": {
            "first_moment": {name: torch.zeros_like(w) for name, w in weights.items()},
            "second_moment": {name: torch.zeros_like(w) for name, w in weights.items()},
            "step": torch.zeros(runs, dtype=torch.int64),
        },
        "algorithm": {},
    }


def update(
    settings: Settings, network: Any, state: State, gradients: Any, features: Any, clock: Clock
) -> None:
    """One Adam step on every weight and bias."""
    optimiser = state["optimiser"]
    optimiser["step"] += 1
    for name, w in state["weights"].items():
        g = gradients[name] + settings.weight_decay * w
        t = optimiser["step"].to(w.dtype).view(-1, *[1] * (w.dim() - 1))  # [r] -> [r, 1, ...]
        m, v = optimiser["first_moment"][name], optimiser["second_moment"][name]
        m.mul_(settings.beta_1).add_(g, alpha=1 - settings.beta_1)
        v.mul_(settings.beta_2).addcmul_(g, g, value=1 - settings.beta_2)
        correct_1, correct_2 = bias_correction(settings.beta_1, t), bias_correction(settings.beta_2, t)
        w.sub_(settings.step_size / correct_1 * m / (v.sqrt() / correct_2.sqrt() + settings.epsilon))


def bias_correction(decay: float, age: Any) -> Any:
    """1 - decay^age, the share of a running average that is not its start at zero.

    By expm1, which keeps all digits at small ages; and torch's power would round differently at different places
    of a tensor, so that a run's last bits would depend on its place in the stack.

    Args:
        decay: of the running average, in [0, 1).
        age: updates so far, at least 1; floating point, of any shape.
    """
    return -torch.expm1(age * math.log(decay)) if decay > 0 else torch.ones_like(age)

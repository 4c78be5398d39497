"""Adam (Kingma and Ba 2015) with the standard bias correction; weight decay is coupled where it is used."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State
from perennial.learning.algorithms._moments import Settings, bias_correction

__all__ = ["Settings", "init", "update"]


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

"""Adam (Kingma and Ba 2015) with the standard bias correction; weight decay is coupled where it is used."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _moments
from perennial.learning.algorithms._moments import Settings

__all__ = ["Settings", "init", "update"]


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Moments like the weights; `step` [r] counts updates."""
    one = next(iter(weights.values()))
    return {
        "optimiser": {
            "first_moment": {name: torch.zeros_like(w) for name, w in weights.items()},
            "second_moment": {name: torch.zeros_like(w) for name, w in weights.items()},
            "step": torch.zeros(len(one), dtype=torch.int64, device=one.device),
        },
        "algorithm": {},
    }


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """One Adam step on every weight and bias."""
    optimiser = state["optimiser"]
    optimiser["step"] += 1
    for name, g in gradients.items():
        w = state["weights"][name]
        t = optimiser["step"].to(w.dtype).view(-1, *[1] * (w.dim() - 1))  # [r] -> [r, 1, ...]
        moments = (optimiser[kind][name] for kind in ("first_moment", "second_moment"))
        _moments.step(settings, *moments, w, g, t, rate)

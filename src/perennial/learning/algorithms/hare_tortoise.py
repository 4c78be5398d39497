"""Hare and Tortoise (Lee et al. 2024): a fast network learns, a slow average follows it, and now and then the fast one
starts again from the slow one.

At a swap weights are copied. In the authors' code the two share memory until the optimiser's next step, which
changes one step of the average.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent, _periods
from perennial.settings import switch

NEUTRAL = {"every": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of Hare and Tortoise."""

    slow_decay: float = Field(
        0.999, ge=0, lt=1, description="share of the slow network that stays at each step"
    )
    every: int = Field(
        10_000,
        ge=0,
        description="steps between two swaps; at a swap the fast one takes the slow one's weights",
    )
    evaluate: Literal["tortoise", "hare"] = switch(
        "tortoise",
        "which network is looked at and tested; what is measured while it learns is the fast one's",
        paper="the slow one",
        code="the slow one",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """The slow network begins as a copy."""
    slow = {name: w.clone() for name, w in weights.items()}
    return {
        "optimiser": _descent.begin(settings, weights),
        "algorithm": {"slow": slow, "step": _periods.count(weights)},
    }


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; slow <- a slow + (1 - a) fast; at a swap fast <- slow. The optimiser's memory stays."""
    _descent.descend(settings, state, gradients, rate)
    own, weights = state["algorithm"], state["weights"]
    due = _periods.tick(own["step"], settings.every)
    for name in gradients:
        slow = own["slow"][name].mul_(settings.slow_decay).add_(weights[name], alpha=1 - settings.slow_decay)
        if not _periods.nothing(due):
            weights[name].copy_(torch.where(due.view(-1, *[1] * (slow.dim() - 1)), slow, weights[name]))


def evaluated(settings: Settings, state: State) -> dict[str, Any]:
    """The weights that probes and tests look at."""
    return state["algorithm"]["slow"] if settings.evaluate == "tortoise" else state["weights"]


def renewed(settings: Settings, networks: Any, state: State, names: list[str]) -> None:
    """The slow network takes over what the procedure has written: it would bring back the old weights otherwise."""
    for name in names:
        state["algorithm"]["slow"][name].copy_(state["weights"][name])

"""Continuous partial reset, or soft continual backpropagation (McCutcheon 2025): every so many steps all units of low
utility are moved a little towards a fresh draw, instead of a few replaced whole.

A unit's utility is the size of its gradient relative to its layer's mean.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent, _periods, _renewal
from perennial.settings import switch

NEUTRAL = {"strength": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of the continuous partial reset."""

    strength: float = Field(
        0.015, ge=0, le=1, description="largest share of a unit that is drawn afresh (rho)"
    )
    sharpness: float = Field(16.0, gt=0, description="slope of the share over the utility (k)")
    threshold: float = Field(1.0, description="utility at which half of the largest slope is reached (theta)")
    every: int = Field(1000, ge=0, description="steps between two resets (f); 0: never")
    utility_decay: float = Field(0.99, ge=0, lt=1, description="decay of the running utility")
    share: Literal["double", "single"] = switch(
        "double",
        "rho min(1, 2 sigmoid(-k (u - theta))), or rho sigmoid(-k (u - theta))",
        paper="not fixed",
        code="double; a later port has the single one",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Utilities begin at 1 [r, h]."""
    algorithm: State = {"step": _periods.count(weights)}
    for layer in networks.hidden:
        incoming = layer.units(weights).incoming
        algorithm[layer.key] = {"utility": torch.ones_like(incoming.flatten(2)[:, :, 0])}
    return {"optimiser": _descent.begin(settings, weights), "algorithm": algorithm}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; utilities move on by its gradients; when it is time, all units are partly drawn afresh."""
    _descent.descend(settings, state, gradients, rate)
    layers = [layer for layer in networks.hidden if layer.key in features]
    for layer in layers:
        utility = state["algorithm"][layer.key]["utility"]
        utility.mul_(settings.utility_decay)
        utility.add_(relative_size(layer, gradients), alpha=1 - settings.utility_decay)
    due = _periods.tick(state["algorithm"]["step"], settings.every)
    if layers and settings.strength > 0 and not _periods.nothing(due):
        _reset(settings, layers, state, due, clock)


def relative_size(layer: Any, gradients: dict[str, Any]) -> Any:
    """mean |g| of each unit's incoming weights over the layer's mean of the same, [r, h]; 1 where all are 0."""
    size = layer.units(gradients).incoming.abs().flatten(2).mean(2)
    mean = size.mean(1, keepdim=True)
    return torch.where(mean > 0, size / mean, torch.ones_like(size))


def partial(settings: Settings, utility: Any) -> Any:
    """The share [r, h] of each unit that is drawn afresh."""
    s = 1 / (1 + torch.exp((settings.sharpness * (utility - settings.threshold)).clamp(max=80)))
    return settings.strength * ((2 * s).clamp(max=1) if settings.share == "double" else s)


def _reset(settings: Settings, layers: list[Any], state: State, due: Any, clock: Clock) -> None:
    """W_in <- (1 - q) W_in + q fresh, W_out <- (1 - q) W_out, u <- 1: layer by layer. Biases and the optimiser's memory
    stay: they concern a unit that has moved by at most rho."""
    every = [_renewal.all_units(layer, state["weights"]) for layer in layers]
    fresh = _renewal.fresh_weights(layers, state["weights"], every, clock)
    for layer, new in zip(layers, fresh, strict=True):
        own, units = state["algorithm"][layer.key], layer.units(state["weights"])
        q = torch.where(due.unsqueeze(1), partial(settings, own["utility"]), 0)  # [r, h]
        part = q.view(*q.shape, *[1] * (new.dim() - 2))
        units.incoming.copy_((1 - part) * units.incoming + part * new)
        for array in units.outgoing:
            array.mul_(1 - q.view(*q.shape, *[1] * (array.dim() - 2)))
        own["utility"].copy_(torch.where(due.unsqueeze(1), torch.ones_like(q), own["utility"]))

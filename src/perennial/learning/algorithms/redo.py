"""ReDo (Sokar et al. 2023): every so many steps units start afresh whose activity is a small share of their layer's.

Nature 2024 ran it on Adam with weight decay (Extended Data Fig. 5b). With `score: gradient` it is ReGraMa (Liu et al.
2025): the share is that of the gradients of a unit's incoming weights.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.learning.algorithms import Clock, State, _descent, _periods, _renewal
from perennial.settings import switch

SMALL = {"activation": 1e-9, "gradient": 1e-8}  # added to the layer's mean
NEUTRAL = {"period": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of ReDo."""

    threshold: float = Field(0.1, description="units whose score is at most this are drawn afresh (tau)")
    period: int = Field(100, ge=0, description="steps between two resets (f); 0: never")
    score: Literal["activation", "gradient"] = Field(
        "activation", description="what a unit's share is taken of, on the mini-batch of the step"
    )
    renewed_moments: Literal["kept", "zero"] = switch(
        "kept",
        "what the optimiser remembers of the weights of a unit that is drawn afresh: moments and step counts, velocity",
        paper="not mentioned; ReDo's authors set them to zero",
        code="kept",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """What the optimiser remembers, and the count of steps [r]."""
    return {
        "optimiser": _descent.begin(settings, weights),
        "algorithm": {"step": _periods.count(weights)},
    }


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """One gradient step; when it is time, units of low score start afresh."""
    _descent.descend(settings, state, gradients, rate)
    now = _periods.tick(state["algorithm"]["step"], settings.period)
    if _periods.nothing(now):
        return
    layers = [layer for layer in networks.hidden if layer.key in features]
    due = [
        now.unsqueeze(1) & (_score(settings, layer, gradients, features) <= settings.threshold)
        for layer in layers
    ]
    memories = tuple(state["optimiser"]) if settings.renewed_moments == "zero" else ()
    _renewal.restart(layers, state, due, clock, memories)


def _score(settings: Settings, layer: Any, gradients: Any, features: Any) -> Any:
    """A unit's mean |activation|, or |gradient| of its incoming weights, over the mean of its layer: [r, h]."""
    if settings.score == "gradient":
        size = layer.units(gradients).incoming.abs().flatten(2).mean(2)  # [r, h, i, ...] -> [r, h]
    else:
        size = layer.by_unit(features[layer.key]).abs().mean((1, 3))  # [r, b, h, p] -> [r, h]
    return size / (size.mean(1, keepdim=True) + SMALL[settings.score])

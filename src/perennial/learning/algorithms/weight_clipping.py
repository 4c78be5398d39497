"""Weight clipping (Elsayed, Lan, Lyle and Mahmood 2024): no weight leaves a multiple of its layer's initial range."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.learning.algorithms import Clock, State, _descent
from perennial.settings import switch

NEUTRAL = {"clip": 1e9}


class Settings(_descent.Settings):
    """Hyper-parameters of weight clipping."""

    clip: float = Field(1.0, gt=0, description="bound in multiples of the layer's range (kappa)")
    reference: Literal["fan_in", "init_bound"] = switch(
        "fan_in",
        "the layer's range: 1 / sqrt(fan_in), or the bound of its initial weights",
        paper="1 / sqrt(fan_in), which is PyTorch's default bound",
        code="1 / sqrt(fan_in). Weights drawn by Kaiming lie outside of it to 59 % at first",
    )
    head: Literal["all", "none"] = Field("all", description="whether the last layer is clipped as well")


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Nothing but the optimiser's memory is kept."""
    return {"optimiser": _descent.begin(settings, weights), "algorithm": {}}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; then |w| <= kappa s_l, biases too. The optimiser's memory is left alone."""
    _descent.descend(settings, state, gradients, rate)
    for matrix in networks.matrices:
        if matrix.head and settings.head == "none":
            continue
        for name in (matrix.weight, matrix.bias):
            if name in gradients:
                bound = limit(settings, state["weights"], matrix)
                state["weights"][name].clamp_(-bound, bound)


def limit(settings: Settings, weights: dict[str, Any], matrix: Any) -> float:
    """The largest size of the layer's weights."""
    if settings.reference == "init_bound":
        return settings.clip * matrix.bound
    fan_in = weights[matrix.weight][0].numel() // weights[matrix.bias][0].numel()
    return settings.clip * fan_in**-0.5

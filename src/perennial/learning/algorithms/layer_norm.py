"""Layer normalisation before each activation, with weight decay (Lyle et al. 2023, 2024).

Of a convolution all channels and places of one example are normalised together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent
from perennial.settings import switch

EPSILON = 1e-5


class Settings(_descent.Settings):
    """Hyper-parameters of layer normalisation."""

    affine: Literal["learned", "none"] = Field(
        "learned", description="a gain (from 1) and a shift (from 0) of each unit after the normalisation"
    )
    decay: Literal["weights", "all"] = switch(
        "weights",
        "what weight_decay acts on: weights and biases of the network, or gains and shifts as well",
        paper="not mentioned",
        code="differs from harness to harness",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Gains 1 and shifts 0 [r, h] join the weights."""
    weights = dict(weights)
    if settings.affine == "learned":
        for layer in networks.hidden:
            one = layer.units(weights).incoming.flatten(2)[:, :, 0]  # [r, h]
            weights[layer.name("gain")], weights[layer.name("shift")] = (
                torch.ones_like(one),
                torch.zeros_like(one),
            )
    return {"weights": weights, "optimiser": _descent.begin(settings, weights), "algorithm": {}}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; gains and shifts are decayed only if `decay` says so."""
    affine = {layer.name(kind) for layer in networks.hidden for kind in ("gain", "shift")}
    free = _descent.without_decay(settings) if settings.decay == "weights" else settings
    for name, g in gradients.items():
        _descent.step_one(free if name in affine else settings, state, name, g, rate)


def pre_activation(settings: Settings, state: State, layer: Any, z: Any, clock: Clock | None) -> Any:
    """gain (z - mean z) / sqrt(var z + 1e-5) + shift, over all units of the example: [r, b, h p]."""
    deviation = z - z.mean(2, keepdim=True)
    variance = (deviation * deviation).mean(2, keepdim=True)
    y = deviation / _root(variance + EPSILON)
    if settings.affine == "none":
        return y
    gain, shift = (state["weights"][layer.name(kind)][:, None, :, None] for kind in ("gain", "shift"))
    return (layer.by_unit(y) * gain + shift).flatten(2)  # [r, b, h, p] -> [r, b, h p]


def _root(x: Any) -> Any:
    """Square root by way of double precision, so that a run's last bits do not depend on its place in the stack."""
    return x.to(torch.float64).sqrt().to(x.dtype)

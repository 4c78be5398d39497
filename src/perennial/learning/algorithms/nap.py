"""Normalise-and-Project (Lyle et al. 2024): with normalisation the growth of weights is a hidden decay of the step
size; so each matrix is scaled back to the norm that it began with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _periods, layer_norm

NEUTRAL = {"every": 0, "normalise": "none"}


class Settings(layer_norm.Settings):
    """Hyper-parameters of Normalise-and-Project."""

    every: int = Field(1, ge=0, description="steps between two projections; 0: never")
    normalise: Literal["layer", "none"] = Field("layer", description="normalisation before the activation")
    gains: Literal["free", "decay", "project"] = Field(
        "free",
        description="gains and shifts: left alone, decayed to 1 and 0, or their joint norm kept at sqrt(h)",
    )
    gain_decay: float = Field(
        1e-3, ge=0, description="share of the way to 1 and 0 at each step (gains: decay only)"
    )
    head: Literal["all", "none"] = Field("none", description="whether the last layer is projected as well")


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """The norms [r] of the initial matrices, and the count of steps [r]."""
    inner = settings if settings.normalise == "layer" else settings.model_copy(update={"affine": "none"})
    begun = layer_norm.init(inner, networks, weights)
    norms = {matrix.weight: _norm(weights[matrix.weight]) for matrix in _projected(settings, networks)}
    return {**begun, "algorithm": {"norm": norms, "step": _periods.count(weights)}}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; then W <- W rho / |W|, rho the norm at the beginning; one that began at 0 is left alone."""
    layer_norm.update(settings, networks, state, gradients, features, clock, rate)
    own, due = state["algorithm"], _periods.tick(state["algorithm"]["step"], settings.every)
    if _periods.nothing(due):
        return
    for name, radius in own["norm"].items():
        if name in gradients:
            w, norm = state["weights"][name], _norm(state["weights"][name])
            scale = torch.where(due & (radius > 0) & (norm > 0), radius / norm, torch.ones_like(norm))
            w.mul_(scale.view(-1, *[1] * (w.dim() - 1)))
    if settings.normalise == "layer" and settings.affine == "learned" and settings.gains != "free":
        _restrain(settings, networks, state, due)


def pre_activation(settings: Settings, state: State, layer: Any, z: Any, clock: Clock | None) -> Any:
    """Layer normalisation, or z as it is."""
    return layer_norm.pre_activation(settings, state, layer, z, clock) if settings.normalise == "layer" else z


def renewed(settings: Settings, networks: Any, state: State, names: list[str]) -> None:
    """New weights of the procedure: their norm is what is kept from now on; of a matrix of zeros nothing is."""
    for name in set(names) & set(state["algorithm"]["norm"]):
        state["algorithm"]["norm"][name].copy_(_norm(state["weights"][name]))


def _restrain(settings: Settings, networks: Any, state: State, due: Any) -> None:
    """Gains and shifts of every layer back to where they began, or to a joint norm of sqrt(h)."""
    for layer in networks.hidden:
        gain, shift = (state["weights"][layer.name(kind)] for kind in ("gain", "shift"))  # [r, h]
        if settings.gains == "decay":
            share = settings.gain_decay * due.to(gain.dtype).unsqueeze(1)
            gain.add_(share * (1 - gain))
            shift.sub_(share * shift)
        else:
            norm = _norm(torch.cat([gain, shift], 1))
            radius = gain.shape[1] ** 0.5
            scale = torch.where(due & (norm > 0), radius / norm, torch.ones_like(norm)).unsqueeze(1)
            gain.mul_(scale)
            shift.mul_(scale)


def _projected(settings: Settings, networks: Any) -> list[Any]:
    return [matrix for matrix in networks.matrices if settings.head == "all" or not matrix.head]


def _norm(w: Any) -> Any:
    """Frobenius norm [r] of arrays [r, ...], summed in double precision: a run's bits do not depend on its place."""
    wide = w.to(torch.float64).flatten(1)
    return (wide * wide).sum(1).sqrt().to(w.dtype)

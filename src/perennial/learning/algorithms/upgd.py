"""Utility-based perturbed gradient descent (Elsayed and Mahmood 2024): weights that are useful to the loss change
little, useless ones take the whole gradient and noise.

With Adam its quotient stands for the gradient inside the gate, and the noise is added outside of it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent, _moments, _periods
from perennial.settings import switch
from perennial.streams import tensors

NEUTRAL = {"protecting": "off", "noise_std": 0, "weight_decay": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of utility-based perturbed gradient descent."""

    weight_decay: float = Field(
        0.01, ge=0, description="decoupled: w is multiplied by 1 - step_size weight_decay"
    )
    noise_std: float = Field(0.1, ge=0, description="standard deviation of the noise before the gate (sigma)")
    utility_decay: float = Field(0.9999, ge=0, lt=1, description="decay of the running utility (beta)")
    protecting: Literal["on", "off"] = Field("on", description="whether the gate acts on the gradient too")
    gain: float = switch(
        1.0,
        "factor of the step: useless weights have a gate of about 1/2",
        paper="1",
        code="1 in the experiments; 2 in the README and in the version on Adam",
        gt=0,
    )
    maximum: Literal["corrected", "raw"] = switch(
        "raw",
        "what utilities are divided by: the largest corrected or the largest uncorrected one",
        paper="corrected",
        code="raw, while the numerator is corrected",
    )
    nonpositive: Literal["flip", "half"] = switch(
        "flip",
        "the gate where no utility is positive: its sign turns over, or it is 1/2",
        paper="not mentioned",
        code="flip: it divides by whatever the maximum is",
    )
    scope: Literal["global", "array"] = Field(
        "global", description="the maximum of all weights, or of each array"
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """A utility for each weight, and the count of steps [r]."""
    utility = {name: torch.zeros_like(w) for name, w in weights.items()}
    algorithm = {"utility": utility, "step": _periods.count(weights)}
    return {"optimiser": _descent.begin(settings, weights), "algorithm": algorithm}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """u <- beta u - (1 - beta) g w;  w <- (1 - step_size wd) w - k step_size (g + sigma n) (1 - s), s the gate."""
    own, weights, beta = state["algorithm"], state["weights"], settings.utility_decay
    own["step"] += 1
    for name, g in gradients.items():
        own["utility"][name].mul_(beta).add_(g * weights[name], alpha=-(1 - beta))
    open_ = {name: 1 - s for name, s in gates(settings, own, list(gradients)).items()}
    noise = tensors.noise_for(weights, list(weights), "gaussian", streams.NOISE, clock)
    step_size, k = settings.step_size * rate, settings.gain
    for name, change in _descent.changes(settings, state, gradients, rate).items():
        shaken = step_size * settings.noise_std * noise[name] * open_[name]
        weights[name].mul_(1 - step_size * settings.weight_decay)
        weights[name].sub_(k * (change * open_[name] if settings.protecting == "on" else change))
        weights[name].sub_(k * shaken)


def gates(settings: Settings, own: State, names: list[str]) -> dict[str, Any]:
    """s = sigmoid(u^ / eta) of every weight, eta the maximum over the run."""
    utility = {name: own["utility"][name] for name in names}
    one = next(iter(utility.values()))
    correct = _moments.bias_correction(settings.utility_decay, own["step"].to(one.dtype))  # [r]
    largest = {name: u.flatten(1).amax(1) for name, u in utility.items()}  # [r]
    if settings.scope == "global":
        most = torch.stack(list(largest.values())).amax(0)
        largest = dict.fromkeys(largest, most)
    found = {}
    for name, u in utility.items():
        eta = largest[name] / correct if settings.maximum == "corrected" else largest[name]
        safe = torch.where(eta == 0, torch.ones_like(eta), eta)
        if settings.nonpositive == "half":
            safe = torch.where(eta > 0, safe, torch.inf)
        shape = (-1, *[1] * (u.dim() - 1))
        found[name] = _sigmoid(u / correct.view(shape) / safe.view(shape))
    return found


def renewed(settings: Settings, networks: Any, state: State, names: list[str]) -> None:
    """New weights of the procedure have no utility yet."""
    for name in set(names) & set(state["algorithm"]["utility"]):
        state["algorithm"]["utility"][name].zero_()


def _sigmoid(x: Any) -> Any:
    """By the exponential alone, which rounds alike at every place of a tensor."""
    return 1 / (1 + torch.exp((-x).clamp(max=80)))

"""The gradient step inside a method that adds something to it: descent, with momentum, or Adam. The newer methods share
it, so that each of them can be compared on either."""

from __future__ import annotations

import functools
from typing import Any, Literal

from pydantic import Field, model_validator

from perennial.lazy import torch
from perennial.learning.algorithms import State, _moments, backprop


class Settings(_moments.Settings):
    """Hyper-parameters of the gradient step."""

    step_size: float = Field(0.01, gt=0, description="step size (learning rate)")
    optimiser: Literal["sgd", "adam"] = Field("sgd", description="the gradient step within the method")
    momentum: float = Field(0, ge=0, lt=1, description="share of the last change that is made again (mu)")

    _momentum = model_validator(mode="after")(backprop.no_momentum_on_adam)


def begin(settings: Any, weights: dict[str, Any]) -> State:
    """The optimiser's branch of a fresh state. Adam counts the updates of each weight, so that one that starts afresh
    may be corrected for its own age."""
    if settings.optimiser == "sgd":
        return backprop.velocity(settings, weights)
    kinds = ("first_moment", "second_moment", "age")
    return {kind: {name: torch.zeros_like(w) for name, w in weights.items()} for kind in kinds}


def descend(settings: Any, state: State, gradients: dict[str, Any], rate: Any) -> None:
    """One step of all weights that have a gradient, in place; weight decay is coupled."""
    for name, g in gradients.items():
        step_one(settings, state, name, g, rate)


def step_one(settings: Any, state: State, name: str, g: Any, rate: Any) -> None:
    """One step of one array, in place."""
    w = state["weights"][name]
    if settings.optimiser == "sgd":
        backprop.descend(settings, state, name, g + settings.weight_decay * w, rate)
        return
    m, v, age = (state["optimiser"][kind][name] for kind in ("first_moment", "second_moment", "age"))
    age.add_(1)
    _moments.step(settings, m, v, w, g, age, rate)


@functools.cache
def without_decay(settings: Any) -> Any:
    """The same settings for arrays that are not decayed."""
    return settings.model_copy(update={"weight_decay": 0.0})


def changes(settings: Any, state: State, gradients: dict[str, Any], rate: Any) -> dict[str, Any]:
    """What the gradient step would take from each weight, without decay. The memories move on; the weights stay."""
    step_size, found = settings.step_size * rate, {}
    for name, g in gradients.items():
        if settings.optimiser == "sgd":
            if settings.momentum > 0:
                g = state["optimiser"]["velocity"][name].mul_(settings.momentum).add_(g)
            found[name] = g * step_size
            continue
        m, v, age = (state["optimiser"][kind][name] for kind in ("first_moment", "second_moment", "age"))
        age.add_(1)
        m.mul_(settings.beta_1).add_(g, alpha=1 - settings.beta_1)
        v.mul_(settings.beta_2).addcmul_(g, g, value=1 - settings.beta_2)
        correct_1, correct_2 = (
            _moments.bias_correction(beta, age) for beta in (settings.beta_1, settings.beta_2)
        )
        found[name] = step_size / correct_1 * m / (v.sqrt() / correct_2.sqrt() + settings.epsilon)
    return found

"""L2 Init, or regenerative regularisation (Kumar, Marklund and Van Roy 2023): weights that the loss does not need drift
back to where they began.

Public codes differ in what they call the strength; the switches cover them. A head that the procedure resets is
pulled to what the reset wrote.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent
from perennial.settings import switch

NEUTRAL = {"strength": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of L2 Init."""

    strength: float = Field(
        1e-2, ge=0, description="strength of the pull towards the initial weights (lambda)"
    )
    penalty: Literal["squared", "l1", "huber", "wasserstein"] = switch(
        "squared",
        "norm of the distance; wasserstein: the k-th smallest weight is pulled to the k-th smallest initial one",
        paper="squared; l1 and huber among its ablations; Wasserstein in a later paper's first version",
        code="squared, with l1 and huber as options",
    )
    scale: Literal["half", "full", "mean"] = switch(
        "half",
        "penalty lambda / 2 or lambda times the sum, or lambda times the mean over each array",
        paper="lambda times the sum",
        code="lambda / 2 times the sum; other harnesses have the full sum or the mean",
    )
    pull: Literal["coupled", "decoupled"] = switch(
        "coupled",
        "the pull is part of the gradient, or a step of its own after it; alike for plain descent",
        paper="coupled: part of the loss",
        code="coupled; another harness pulls after the step",
    )
    target: Literal["initial", "zero"] = Field(
        "initial", description="what is pulled to; zero is L2 regularisation"
    )
    head: Literal["all", "none"] = Field("all", description="whether the last layer is pulled as well")


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Remember the initial weights of all that is pulled."""
    names = [name for name in weights if settings.head == "all" or name not in _head(networks)]
    begun = {
        name: weights[name].clone() if settings.target == "initial" else weights[name] * 0 for name in names
    }
    return {"optimiser": _descent.begin(settings, weights), "algorithm": {"initial": begun}}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """w <- w - step_size (g + lambda (w - w_0)), or the pull by itself after the step."""
    initial = state["algorithm"]["initial"]
    pulls = {
        name: _pull(settings, state["weights"][name], initial[name]) for name in gradients if name in initial
    }
    if settings.pull == "coupled":
        gradients = {name: g + pulls[name] if name in pulls else g for name, g in gradients.items()}
    _descent.descend(settings, state, gradients, rate)
    if settings.pull == "decoupled":
        for name, pull in pulls.items():
            state["weights"][name].sub_(pull * (settings.step_size * rate))


def renewed(settings: Settings, networks: Any, state: State, names: list[str]) -> None:
    """The procedure has written new weights: they are what is pulled to from now on."""
    if settings.target == "initial":
        for name in set(names) & set(state["algorithm"]["initial"]):
            state["algorithm"]["initial"][name].copy_(state["weights"][name])


def _pull(settings: Settings, w: Any, begun: Any) -> Any:
    """The penalty's gradient, of the shape of w."""
    if settings.penalty == "wasserstein":
        order = w.flatten(1).argsort(dim=1, stable=True)  # [r, ...] -> [r, n]
        target = torch.empty_like(w.flatten(1)).scatter_(1, order, begun.flatten(1).sort(dim=1).values)
        distance = w - target.view_as(w)
    else:
        distance = w - begun
    slope = {"l1": torch.sign, "huber": lambda d: d.clamp(-1, 1)}.get(settings.penalty, lambda d: d)(distance)
    factor = {"half": 1.0, "full": 2.0, "mean": 2.0 / w[0].numel()}[settings.scale]
    return slope * (settings.strength * factor)


def _head(networks: Any) -> set[str]:
    return {name for matrix in networks.matrices if matrix.head for name in (matrix.weight, matrix.bias)}

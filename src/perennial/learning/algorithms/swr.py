"""Selective weight reinitialisation (Hernandez-Garcia et al. 2025): continual backpropagation on single weights. Every
so many steps the least useful weights of each array are drawn afresh; biases go back to their initial mean, 0.

Unlike a reset of units this changes what the network gives.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent, _periods
from perennial.settings import switch
from perennial.streams import tensors

NEUTRAL = {"every": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of selective weight reinitialisation."""

    utility: Literal["gradient", "magnitude"] = Field("gradient", description="|g w| or |w|")
    utility_decay: float = switch(
        0.0,
        "decay of a running mean of the utility; with single examples most gradients are 0, which wants 0.99 or more",
        paper="0 as a rule, on mini-batches of 30",
        code="optional",
        ge=0,
        lt=1,
    )
    choice: Literal["proportion", "threshold"] = Field(
        "proportion",
        description="the lowest share of an array's weights, or those up to a share of its mean utility",
    )
    share: float = Field(1e-5, ge=0, description="of the weights, or of the mean utility (c)")
    every: int = Field(2048, ge=0, description="steps between two resets (f); 0: never")
    head: Literal["all", "none"] = Field(
        "all", description="whether the last layer's are drawn afresh as well"
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """A running utility for each weight, and the count of steps [r]."""
    algorithm: State = {"step": _periods.count(weights)}
    if settings.utility_decay > 0:
        algorithm["utility"] = {name: torch.zeros_like(w) for name, w in weights.items()}
    return {"optimiser": _descent.begin(settings, weights), "algorithm": algorithm}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """Utilities of this step, by the weights before it; the gradient step; when it is time, the least useful go."""
    utility = {name: _utility(settings, state, name, g) for name, g in gradients.items()}
    _descent.descend(settings, state, gradients, rate)
    due = _periods.tick(state["algorithm"]["step"], settings.every)
    if _periods.nothing(due):
        return
    for matrix in networks.matrices:
        if matrix.weight not in gradients or (matrix.head and settings.head == "none"):
            continue
        w = state["weights"][matrix.weight]
        # numbers 0 and 1 are the coins of the matrix and of the biases
        lots = tensors.uniforms(streams.REPLACEMENT, clock, matrix.address, w[0].numel() + 2, w.device)
        fresh = (lots[:, 2:].to(w.dtype) * 2 - 1) * matrix.bound
        for name, new, coin in (
            (matrix.weight, fresh.view_as(w), lots[:, 0]),
            (matrix.bias, torch.zeros_like(state["weights"][matrix.bias]), lots[:, 1]),
        ):
            gone = least(settings, utility[name], coin) & due.view(-1, *[1] * (new.dim() - 1))
            state["weights"][name].copy_(torch.where(gone, new, state["weights"][name]))
    for u in state["algorithm"].get("utility", {}).values():
        u.masked_fill_(due.view(-1, *[1] * (u.dim() - 1)), 0)


def least(settings: Settings, utility: Any, coin: Any) -> Any:
    """Which weights of an array are the least useful, a mask of its shape.

    Args:
        coin: uniforms [r]: a fraction of a weight is drawn afresh with that probability.
    """
    flat = utility.flatten(1)  # [r, ...] -> [r, n]
    if settings.choice == "threshold":
        mean = flat.to(torch.float64).mean(1, keepdim=True)
        return (flat.to(torch.float64) <= settings.share * mean).view_as(utility)
    number = torch.floor(settings.share * flat.shape[1] + coin.to(torch.float64))  # [r]
    rank = flat.argsort(dim=1, stable=True).argsort(dim=1)  # [r, n]
    return (rank < number.unsqueeze(1)).view_as(utility)


def renewed(settings: Settings, networks: Any, state: State, names: list[str]) -> None:
    """New weights of the procedure have no utility yet."""
    for name in set(names) & set(state["algorithm"].get("utility", {})):
        state["algorithm"]["utility"][name].zero_()


def _utility(settings: Settings, state: State, name: str, g: Any) -> Any:
    """|g w| or |w| of each weight, or its running mean."""
    w = state["weights"][name]
    now = (g * w).abs() if settings.utility == "gradient" else w.abs()
    if settings.utility_decay == 0:
        return now
    return (
        state["algorithm"]["utility"][name]
        .mul_(settings.utility_decay)
        .add_(now, alpha=1 - settings.utility_decay)
    )

"""Spectral regularisation (Lewandowski et al. 2025): the largest singular value of each layer is kept near 1, and
biases near 0.

The largest singular value is followed by one step of the power iteration at each update. The authors published no code:
what is written here are the paper's formulas.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent
from perennial.settings import switch

NEUTRAL = {"strength": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of spectral regularisation."""

    strength: float = Field(
        1e-3, ge=0, description="strength of the penalty (sigma^k - 1)^2 + |b|^(2 k) (lambda)"
    )
    power: int = Field(2, ge=1, le=4, description="exponent k")
    target: Literal["one", "init"] = switch(
        "one",
        "what the largest singular value is kept near: 1, or its value at the beginning",
        paper="1",
        code="not published; a third party's has the value at the beginning",
    )
    head: Literal["all", "none"] = Field("all", description="whether the last layer is regularised as well")


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Per layer a left vector [r, o], of length 1 and all alike, and the target [r]."""
    algorithm: State = {}
    for matrix in _regularised(settings, networks):
        w = _rows(weights[matrix.weight])
        left = torch.full_like(w[:, :, 0], w.shape[1] ** -0.5)  # [r, o]
        target = torch.ones_like(left[:, 0])
        if settings.target == "init":
            target = torch.stack([torch.linalg.svdvals(one.clone())[0] for one in w])
        algorithm[matrix.weight] = {"left": left, "target": target}
    return {"optimiser": _descent.begin(settings, weights), "algorithm": algorithm}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step on g + 2 k lambda (sigma^k - t^k) sigma^(k-1) u v^T; a matrix of zeros is left alone."""
    gradients, k = dict(gradients), settings.power
    for matrix in _regularised(settings, networks):
        if matrix.weight not in gradients:
            continue
        own, w = state["algorithm"][matrix.weight], _rows(state["weights"][matrix.weight])  # [r, o, i]
        left, right, sigma = iterate(w, own["left"])
        own["left"].copy_(left)
        factor = (
            2 * k * settings.strength * (_power(sigma, k) - _power(own["target"], k)) * _power(sigma, k - 1)
        )
        pull = factor.view(-1, 1, 1) * left.unsqueeze(2) * right.unsqueeze(1)  # [r, o, i]
        gradients[matrix.weight] = gradients[matrix.weight] + _like(pull, state["weights"][matrix.weight])
        b = state["weights"][matrix.bias]
        square = (b * b).sum(1, keepdim=True)
        gradients[matrix.bias] = (
            gradients[matrix.bias] + 2 * k * settings.strength * _power(square, k - 1) * b
        )
    _descent.descend(settings, state, gradients, rate)


def iterate(w: Any, left: Any) -> tuple[Any, Any, Any]:
    """One step of the power iteration: left [r, o], right [r, i], and sigma = u^T W v [r]; 0 for a matrix of zeros."""
    right = _unit((w * left.unsqueeze(2)).sum(1))  # W^T u
    ahead = (w * right.unsqueeze(1)).sum(2)  # W v
    there = (ahead * ahead).sum(1, keepdim=True) > 0
    new = torch.where(there, _unit(ahead), left)
    return new, right, (new * ahead).sum(1)


def _unit(x: Any) -> Any:
    """x of length 1; zeros stay zeros."""
    length = (x * x).sum(1, keepdim=True).to(torch.float64).sqrt().to(x.dtype)
    return torch.where(length > 0, x / length, x)


def _power(x: Any, k: int) -> Any:
    """x^k by products, which round alike at every place of a tensor."""
    found = torch.ones_like(x)
    for _ in range(k):
        found = found * x
    return found


def _regularised(settings: Settings, networks: Any) -> list[Any]:
    return [matrix for matrix in networks.matrices if settings.head == "all" or not matrix.head]


def _rows(w: Any) -> Any:
    """A layer's weights with a row for each unit: [r, i, o] or [r, o, i, k, k] -> [r, o, i]."""
    return w.transpose(1, 2) if w.dim() == 3 else w.flatten(2)


def _like(rows: Any, w: Any) -> Any:
    """Back to the shape of the weights."""
    return rows.transpose(1, 2) if w.dim() == 3 else rows.view(w.shape)

"""Parseval regularisation (Chung et al. 2024): the rows of hidden matrices are kept orthogonal, and of one norm."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent
from perennial.settings import switch

WIDTH = 64  # the width at which the strength was tuned

NEUTRAL = {"strength": 0, "initialisation": "own"}


class Settings(_descent.Settings):
    """Hyper-parameters of Parseval regularisation."""

    strength: float = Field(1e-3, ge=0, description="strength of the penalty |W W^T - s I|^2 (lambda)")
    target: Literal["two", "one", "init"] = switch(
        "two",
        "squared norm s of a row: 2, the squared gain of ReLU; 1; or the mean of the initial rows",
        paper="2",
        code="2; another harness has 1",
    )
    gram: Literal["rows", "smaller"] = switch(
        "rows",
        "W W^T, or W^T W where a layer has more units than inputs: then all rows cannot be orthogonal",
        paper="rows",
        code="rows",
    )
    width_scaling: Literal["on", "off"] = switch(
        "on", "strength times (64 / width)^2", paper="not mentioned", code="on"
    )
    initialisation: Literal["orthogonal", "own"] = switch(
        "orthogonal",
        "initial weights of the hidden layers: the nearest frame to the network's own, or these themselves",
        paper="orthogonal",
        code="orthogonal",
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Orthogonal weights if wished; the target s [r] of each hidden layer."""
    weights, targets = dict(weights), {}
    for layer in networks.hidden:
        own = layer.units(weights).incoming.flatten(2)  # [r, h, i]
        mean = (own * own).sum(2).mean(1)  # [r]
        s = {"two": torch.full_like(mean, 2.0), "one": torch.ones_like(mean), "init": mean}[settings.target]
        targets[layer.key] = {"target": s}
        if settings.initialisation == "orthogonal":
            changed = {layer.name("weight"): weights[layer.name("weight")].clone()}
            weights |= changed
            view = layer.units(weights).incoming  # [r, h, i, ...]
            frame = torch.stack([_frame(w.clone()) for w in own]) * s.sqrt().view(-1, 1, 1)
            view.copy_(frame.view(view.shape))
    return {"weights": weights, "optimiser": _descent.begin(settings, weights), "algorithm": targets}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step on g + 4 lambda (W W^T - s I) W, hidden layers only."""
    gradients = dict(gradients)
    for layer in networks.hidden:
        if layer.key not in features:
            continue
        name, strength = layer.name("weight"), settings.strength
        pull = torch.zeros_like(gradients[name])
        w = layer.units(state["weights"]).incoming  # [r, h, i, ...]
        if settings.width_scaling == "on":
            strength *= (WIDTH / w.shape[1]) ** 2
        flat = penalty_gradient(w.flatten(2), state["algorithm"][layer.key]["target"], settings.gram)
        layer.units({**state["weights"], name: pull}).incoming.copy_((strength * flat).view(w.shape))
        gradients[name] = gradients[name] + pull
    _descent.descend(settings, state, gradients, rate)


def penalty_gradient(w: Any, s: Any, gram: str = "rows") -> Any:
    """The gradient of |W W^T - s I|^2, or of |W^T W - s I|^2: [r, h, i].

    Each run by itself, in memory of its own: a library's products of matrices round by their place in memory.
    """
    found = []
    for one, target in zip(w.unbind(0), s.unbind(0), strict=True):
        rows = one.clone().contiguous()
        if gram == "smaller" and rows.shape[0] > rows.shape[1]:
            found.append(4 * (rows @ (rows.T @ rows) - target * rows))
        else:
            found.append(4 * ((rows @ rows.T) @ rows - target * rows))
    return torch.stack(found)


def _frame(w: Any) -> Any:
    """Orthonormal rows, or columns where there are more rows, that span what w does: [h, i]."""
    tall = w if w.shape[0] > w.shape[1] else w.T
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()
    return q if w.shape[0] > w.shape[1] else q.T

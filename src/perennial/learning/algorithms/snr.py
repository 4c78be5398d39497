"""Self-normalised resets (Farias and Jozefiak 2025): a unit starts afresh when its silence is longer than almost all of
its own past silences.

The authors count every length of silence up to 20,000 for every unit. Here lengths fall into bins that grow by a
fifth, so that a threshold is right to that much.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import Field

from perennial.lazy import torch
from perennial.learning.algorithms import Clock, State, _descent, _periods, _renewal
from perennial.settings import switch

BINS, GROWTH = 64, 1.2  # lengths of 1 to 98,000 examples

NEUTRAL = {"rejection": 0}


class Settings(_descent.Settings):
    """Hyper-parameters of self-normalised resets."""

    rejection: float = Field(
        0.01, ge=0, lt=1, description="share of silences that would be taken for a death (eta)"
    )
    first_threshold: int = Field(
        20_000, ge=1, description="silence that is too long before a unit has a threshold, in examples"
    )
    least_threshold: int = switch(
        100, "no threshold is lower, in examples", paper="not mentioned", code="100, a constant", ge=1
    )
    every: int = switch(
        100_000,
        "steps after which thresholds are estimated anew, and counting begins again; 0: never",
        paper="not mentioned",
        code="every 16 tasks, which needs to know where tasks end",
        ge=0,
    )


def init(settings: Settings, networks: Any, weights: dict[str, Any]) -> State:
    """Per hidden layer: silence and threshold [r, h] in examples, counts [r, h, bin]."""
    algorithm: State = {"step": _periods.count(weights)}
    for layer in networks.hidden:
        incoming = layer.units(weights).incoming
        silence = torch.zeros(incoming.shape[:2], dtype=torch.int64, device=incoming.device)
        algorithm[layer.key] = {
            "silence": silence,
            "threshold": torch.full_like(silence, settings.first_threshold),
            "counts": silence.new_zeros((*silence.shape, BINS)),
        }
    return {"optimiser": _descent.begin(settings, weights), "algorithm": algorithm}


def update(
    settings: Settings, networks: Any, state: State, gradients: Any, features: Any, clock: Clock, rate: Any
) -> None:
    """The gradient step; then units whose silence has reached their threshold start afresh."""
    _descent.descend(settings, state, gradients, rate)
    layers = [layer for layer in networks.hidden if layer.key in features]
    due = [_listen(layer, state, features[layer.key]) for layer in layers]
    if settings.rejection > 0:
        _renewal.restart(layers, state, due, clock, tuple(state["optimiser"]))
        again = _periods.tick(state["algorithm"]["step"], settings.every)
        if not _periods.nothing(again):
            for layer in layers:
                _estimate(settings, state["algorithm"][layer.key], again)


def _listen(layer: Any, state: State, features: Any) -> Any:
    """Silences go on or end, [r, h]; which have reached the threshold. A reset counts as a silence of that length."""
    own, h = state["algorithm"][layer.key], layer.by_unit(features)  # [r, b, h, p]
    fires = (h > 0).flatten(3).any(3).any(1)  # [r, h]
    own["silence"].copy_(torch.where(fires, own["silence"], own["silence"] + h.shape[1]))
    due = ~fires & (own["silence"] >= own["threshold"])
    ended = (fires & (own["silence"] > 0)) | due
    length = torch.minimum(own["silence"], own["threshold"])
    own["counts"].scatter_add_(2, _bin(length).unsqueeze(2), ended.to(torch.int64).unsqueeze(2))
    own["silence"].masked_fill_(fires | due, 0)
    return due


def _estimate(settings: Settings, own: State, again: Any) -> None:
    """The (1 - eta) quantile of each unit's silences, in place, where it is time; then counting begins again.

    A quantile among the silences that ended at the threshold lies beyond what was seen: the threshold doubles.
    """
    counts, total = own["counts"], own["counts"].sum(2)  # [r, h, bin], [r, h]
    below = counts.cumsum(2).to(torch.float64) < (1 - settings.rejection) * total.unsqueeze(2)
    place = below.sum(2).clamp(max=BINS - 1)  # [r, h]
    found = _edges(counts.device)[place]
    found = torch.where(place >= _bin(own["threshold"]), own["threshold"] * 2, found)
    found = found.clamp(settings.least_threshold, max(settings.first_threshold, settings.least_threshold))
    found = torch.where((total > 0) & again.unsqueeze(1), found, own["threshold"])
    own["threshold"].copy_(found)
    counts.masked_fill_(again.view(-1, 1, 1), 0)


def _edges(device: Any) -> Any:
    """The longest silence [bin] of each bin, in examples."""
    return torch.tensor([math.ceil(GROWTH ** (k + 1)) for k in range(BINS)], device=device)


def _bin(length: Any) -> Any:
    """The bin of each length; lengths of 0 are in the first, and not counted."""
    return torch.bucketize(length, _edges(length.device)).clamp(max=BINS - 1)

"""What a search for lottery tickets is made of: its trainings, scores, and masks over the parameters of a layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from perennial import streams


@dataclass(frozen=True)
class Training:
    """One training of a run.

    Attributes:
        updates: how many.
        batch: examples of each.
        tests: updates after which it is tested.
        round: of the search; None in a transfer.
        condition, ticket: of a transfer: what is learnt, and by which network.
        initial: number of the first weights; 0 are those of the search.
    """

    updates: int
    batch: int
    tests: Collection[int]
    round: int | None = None
    condition: str | None = None
    ticket: str = "dense"
    initial: int = 0


def masked(weights: Mapping[str, Any], masks: Mapping[str, Any]) -> None:
    """Put a zero wherever a mask has none: weights and masks [1, ...] are tensors."""
    for name, w in weights.items():
        w.mul_(masks[name])


def scores(seed: int, number: int, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores by chance for a round: uniform numbers of the shapes of the weights [1, ...]."""
    found = {}
    for place, (name, array) in enumerate(weights.items()):
        address = streams.Address(streams.NOISE, seed, task=number, layer=place)
        found[name] = streams.uniforms(address, array.size).reshape(array.shape)
    return found


def pruned(ranked: Mapping[str, np.ndarray], sparsity: float, layers: int) -> dict[str, np.ndarray]:
    """Masks [1, ...] that drop the lowest int(sparsity n) of the n parameters of each layer, weights before biases."""
    found = {}
    for layer in range(layers):
        weight, bias = ranked[f"weight_{layer}"], ranked[f"bias_{layer}"]
        flat = np.concatenate([weight.ravel(), bias.ravel()])
        kept = np.ones(len(flat), bool)
        kept[np.argsort(flat, kind="stable")[: int(sparsity * len(flat))]] = False
        found[f"weight_{layer}"] = kept[: weight.size].reshape(weight.shape)
        found[f"bias_{layer}"] = kept[weight.size :].reshape(bias.shape)
    return found

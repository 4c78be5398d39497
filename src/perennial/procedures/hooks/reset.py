"""Starting a network, its head, or some of its weights afresh before a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perennial import registry
from perennial.lazy import torch
from perennial.learning import tree
from perennial.learning.views import Networks, View


def network(learner: Any, networks: Networks, seeds: list[int], task: int, dtype: str) -> None:
    """Fresh weights, and nothing remembered: as if the runs began with this task."""
    begun = {"buffers": networks.buffers(len(seeds), dtype)}
    learner.load({"weights": networks.init(seeds, task, dtype), **begun})


def head(
    learner: Any, networks: Networks, name: str, algorithm: Mapping[str, Any], memory: bool = False
) -> None:
    """The last layer of a network from zero, as Continual ImageNet's code does.

    Args:
        learner: whose state changes.
        name: of the network.
        algorithm: settings with its name; it is told, if it wants to know.
        memory: what the optimiser remembers of the head (momentum; Adam's moments) becomes zero too.
    """
    state, view = learner.state(), networks.views[name]
    kept = [memories for memories in state["optimiser"].values() if isinstance(memories, dict)]
    names = head_of(view)
    for arrays in (state["weights"], *(kept if memory else [])):
        for written in names:
            arrays[written][:] = 0
    _told(algorithm, networks, state, names)
    learner.load(state)


def drawn(
    learner: Any,
    networks: Networks,
    seeds: list[int],
    task: int,
    names: list[str],
    algorithm: Mapping[str, Any],
    columns: slice = slice(None),
) -> None:
    """Fresh draws for some weights, all else as it is: what the optimiser remembers, and running statistics too.

    Args:
        learner: whose state changes.
        task: which the draws belong to.
        names: of the weights.
        algorithm: settings with its name; it is told, if it wants to know.
        columns: the outputs [..., o] of these weights that change; only then, what the optimiser remembers of them
            becomes zero: they are new.
    """
    state = learner.state()
    one = state["weights"][names[0]]
    fresh = networks.init(seeds, task, one.dtype.name)
    for name in names:
        state["weights"][name][..., columns] = fresh[name][..., columns]
    if columns != slice(None):
        for memories in state["optimiser"].values():
            for name in set(names) & set(memories if isinstance(memories, dict) else ()):
                memories[name][..., columns] = 0
    _told(algorithm, networks, state, names)
    learner.load(state)


def head_of(view: View) -> list[str]:
    """The names of a network's last layer in the tree."""
    return [view.names[f"{kind}_{view.network.layers - 1}"] for kind in ("weight", "bias")]


def _told(algorithm: Mapping[str, Any], networks: Networks, state: Any, names: list[str]) -> None:
    module = registry.module("algorithms", algorithm["name"])
    if hasattr(module, "renewed"):
        hyper = registry.parse("algorithms", dict(algorithm))
        module.renewed(hyper, networks, tree.each(torch.from_numpy, state), names)

"""Starting a network, or its head, afresh before a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perennial import registry
from perennial.lazy import torch
from perennial.learning import tree
from perennial.learning.views import Networks


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
    names = [view.names[f"{kind}_{view.network.layers - 1}"] for kind in ("weight", "bias")]
    for arrays in (state["weights"], *(kept if memory else [])):
        for written in names:
            arrays[written][:] = 0
    module = registry.module("algorithms", algorithm["name"])
    if hasattr(module, "renewed"):
        hyper = registry.parse("algorithms", dict(algorithm))
        module.renewed(hyper, networks, tree.each(torch.from_numpy, state), names)
    learner.load(state)

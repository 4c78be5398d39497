"""Starting a network, or its head, afresh before a task."""

from __future__ import annotations

from typing import Any

from perennial.learning.views import Networks


def network(learner: Any, networks: Networks, seeds: list[int], task: int, dtype: str) -> None:
    """Fresh weights, and nothing remembered: as if the runs began with this task."""
    learner.load({"weights": networks.init(seeds, task, dtype)})


def head(learner: Any, networks: Networks, name: str, memory: bool = False) -> None:
    """The last layer of a network from zero, as Continual ImageNet's code does.

    Args:
        learner: whose state changes.
        name: of the network.
        memory: what the optimiser remembers of the head (momentum; Adam's moments) becomes zero too.
    """
    state, view = learner.state(), networks.views[name]
    kept = [memories for memories in state["optimiser"].values() if isinstance(memories, dict)]
    for arrays in (state["weights"], *(kept if memory else [])):
        for kind in ("weight", "bias"):
            arrays[view.names[f"{kind}_{view.network.layers - 1}"]][:] = 0
    learner.load(state)

"""How a block of runs is trained. Every engine computes what the algorithm's file defines.

`stacked`: the definition itself in PyTorch, all runs of the block in one stack. Works for every algorithm.
`fused`: compiled loops for online (batch 1) fully connected networks, one run at a time; a run costs tens of
times less. Exists for the algorithms that have a file in `engines/fused/`.

An engine's trainer holds the state of a group of runs and moves it through one task at a time.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from perennial import registry
from perennial.problems import Task

NAMES = ("fused", "stacked")


class Trainer(Protocol):
    """State of a group of runs under one engine."""

    def train(self, tasks: list[Task], index: int) -> np.ndarray:
        """Learn task number `index` of each run; the performance before each update, [r, steps].

        Squared error for a regression; 1 or 0 for a right or wrong class.
        """
        ...

    def state(self) -> dict[str, Any]:
        """The whole state as nested dicts of numpy arrays with leading axis r: branches weights, buffers,
        optimiser, algorithm, problem. The same layout under every engine."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state, as returned by `state`."""
        ...


class Unsupported(ValueError):
    """The asked-for engine cannot train this variant; the message says why."""


def fused_module(algorithm: str) -> Any | None:
    """The fast path of an algorithm, if it has one."""
    if find_spec(f"perennial.engines.fused.{algorithm}") is None:
        return None
    import importlib

    return importlib.import_module(f"perennial.engines.fused.{algorithm}")


def choose(settings: dict[str, Any], wanted: str = "auto") -> str:
    """The engine for a variant: `fused` where it can be, else `stacked`.

    Raises:
        Unsupported: when `wanted` names an engine that cannot train the variant.
    """
    reason = _why_not_fused(settings)
    if wanted == "auto":
        return "stacked" if reason else "fused"
    if wanted == "fused" and reason:
        raise Unsupported(f"engine: fused cannot train this variant: {reason}")
    if wanted not in NAMES:
        raise Unsupported(f"engine: '{wanted}' is not one of auto, {', '.join(NAMES)}")
    return wanted


def _why_not_fused(settings: dict[str, Any]) -> str | None:
    name = settings["algorithm"]["name"]
    if settings["network"]["name"] != "mlp":
        return f"network '{settings['network']['name']}' has no compiled loop"
    module = fused_module(name)
    if module is None:
        return f"algorithm '{name}' has no file in engines/fused"
    return module.unsupported(parse("algorithms", settings["algorithm"]))


def parse(kind: str, settings: dict[str, Any]) -> Any:
    """The typed settings of a `{"name": ..., key: value}` entry."""
    values = {key: value for key, value in settings.items() if key != "name"}
    return registry.module(kind, settings["name"]).Settings(**values)


def trainer(engine: str, settings: dict[str, Any], problem: Any, network: Any, seeds: list[int]) -> Trainer:
    """A fresh trainer; give it a state with `load` before training."""
    if engine == "fused":
        from perennial.engines.fused.trainer import FusedTrainer

        return FusedTrainer(settings, problem, network, seeds)
    from perennial.engines.stacked import StackedTrainer

    return StackedTrainer(settings, problem, network, seeds)

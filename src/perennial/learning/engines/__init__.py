"""How a block of runs is trained, and where. Every engine computes what the algorithm's file defines.

`stacked`: the definition itself in PyTorch, all runs of the block in one stack. Works for every algorithm; CPU.
`fused`: compiled loops for online (batch 1) fully connected networks, one run at a time; a run costs tens of
times less. Exists for the algorithms that have a file in `engines/fused/`; CPU.
`pooled`: convolutional networks in mini-batches, one run at a time; backwards it goes only through the places that
pooling took. Exists for the algorithms that have a file in `engines/pooled/`; CPU.
`graphed`: networks as one stack, recorded as a CUDA graph: fully connected ones online with closed-form gradients, for
the algorithms that have a file in `engines/graphed/`; convolutional and other ones in mini-batches, for those that have
a file in `engines/graphed/batches/`. Made for CUDA, and runs on the CPU too.

An engine's trainer holds the state of a group of runs and moves it through one task at a time.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from perennial import registry
from perennial.errors import UserError
from perennial.lazy import torch
from perennial.problems import Task

NAMES = ("fused", "stacked", "graphed", "pooled")
# What the fast paths are made for, by the folder of their algorithms' files, which begins with the engine's name. Of
# several for the CPU the first that can train a variant is taken.
MADE_FOR: dict[str, dict[str, tuple[str, ...]]] = {
    "fused": {"network": ("mlp",), "procedure": ("task_stream",)},
    "graphed": {"network": ("mlp",), "procedure": ("task_stream",)},
    "graphed.batches": {"network": ("mlp", "convnet"), "procedure": ("task_epochs",)},
    "pooled": {"network": ("convnet",), "procedure": ("task_epochs",)},
}
ON_CPU = ("fused", "pooled")
ONE_BY_ONE = ("fused", "pooled")  #: engines that gain nothing from a stack: each run is a group by itself
DEVICES = ("cpu", "cuda")
# Left to itself, a fully connected network without a hidden layer this wide stays on the CPU, where the compiled loop
# is at its best and a GPU would wait for its kernels to start. To be set anew when both are measured side by side.
WIDE = 512


class Trainer(Protocol):
    """State of a group of runs under one engine.

    One that has a faster way than the definition's may also have `predict(r, x)`: the outputs [b, o] of run r for
    inputs x [b, i] when it does not learn.
    """

    piece: (
        int | None
    )  #: a task may be learnt in pieces that begin at multiples of this; None: only as a whole

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn task number `index` of each run; the performance before each update, [r, steps].

        Squared error for a regression; 1 or 0 for a right or wrong class; of a mini-batch the mean.

        Args:
            start, stop: the piece of the task, in steps; the state is that before `start`.
        """
        ...

    def state(self) -> dict[str, Any]:
        """The whole state as nested dicts of numpy arrays with leading axis r: branches weights, buffers,
        optimiser, algorithm, problem. The same layout under every engine."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state, as returned by `state`."""
        ...


class Unsupported(UserError, ValueError):
    """The asked-for engine cannot train this variant; the message says why."""


def fast_path(folder: str, algorithm: str) -> Any | None:
    """An algorithm's file in one of the folders of `MADE_FOR`, if it has one."""
    name = f"perennial.learning.engines.{folder}.{algorithm}"
    return importlib.import_module(name) if find_spec(name) else None


def fused_module(algorithm: str) -> Any | None:
    """The compiled loop of an algorithm, if it has one."""
    return fast_path("fused", algorithm)


def choose(settings: dict[str, Any], wanted: str = "auto", device: str = "auto") -> str:
    """The engine for a variant. Left to itself: `graphed` where there is a GPU, else `fused` or `pooled`, else
    `stacked`.

    Raises:
        Unsupported: when `wanted` names an engine that cannot train the variant, or no engine can on that device.
    """
    if wanted not in ("auto", *NAMES):
        raise Unsupported(f"engine: '{wanted}' is not one of auto, {', '.join(NAMES)}")
    if wanted == "auto" and (device == "cuda" or (device == "auto" and _is_wide(settings) and cuda_here())):
        reason = _why_not("graphed", settings)
        if device == "cuda" and reason:
            raise Unsupported(f"device: cuda: engine graphed cannot train this variant: {reason}")
        if reason is None:
            return "graphed"
    if wanted == "auto":
        return next((engine for engine in ON_CPU if _why_not(engine, settings) is None), "stacked")
    reason = _why_not(wanted, settings) if wanted != "stacked" else None
    if reason:
        raise Unsupported(f"engine: {wanted} cannot train this variant: {reason}")
    return wanted


def place(engine: str, device: str = "auto") -> str:
    """The device that an engine uses, cpu or cuda.

    Raises:
        Unsupported: that device is not there, or the engine does not run on it.
    """
    if device not in ("auto", *DEVICES):
        raise Unsupported(f"device: '{device}' is not one of auto, {', '.join(DEVICES)}")
    if device == "cuda" and engine != "graphed":
        raise Unsupported(
            f"device: cuda: engine {engine} runs on the CPU only (allowed engines: auto, graphed)"
        )
    if device == "cuda" and not cuda_here():
        raise Unsupported(
            "device: cuda: PyTorch finds no CUDA device on this machine (allowed here: auto, cpu)"
        )
    return "cuda" if engine == "graphed" and device != "cpu" and cuda_here() else "cpu"


def cuda_here() -> bool:
    """Whether PyTorch can use a GPU. PyTorch, slow to import, is asked only where a driver left its devices."""
    devices = Path("/dev")
    driver = any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()
    return driver and torch.cuda.is_available()


def _is_wide(settings: dict[str, Any]) -> bool:
    """Whether a GPU gains: a channel counts at all its places."""
    network = settings["network"]
    return bool(network.get("channels")) or max(network.get("hidden") or [0]) >= WIDE


def _why_not(engine: str, settings: dict[str, Any]) -> str | None:
    """Why an engine has no fast path for a variant, if so."""
    name, folders = settings["algorithm"]["name"], [key for key in MADE_FOR if engine_of(key) == engine]
    for kind in ("network", "procedure"):  # an engine may have several folders
        asked, allowed = settings[kind]["name"], [own for key in folders for own in MADE_FOR[key][kind]]
        if asked not in allowed:
            return f"it has no fast path for {kind} '{asked}' (allowed: {', '.join(dict.fromkeys(allowed))})"
        folders = [key for key in folders if asked in MADE_FOR[key][kind]]
    module = fast_path(folders[0], name)
    if module is None:
        return f"algorithm '{name}' has no file in engines/{folders[0].replace('.', '/')}"
    return module.unsupported(registry.parse("algorithms", settings["algorithm"]))


def engine_of(folder: str) -> str:
    """The engine to which a folder of `MADE_FOR` belongs."""
    return folder.partition(".")[0]


def trainer(
    engine: str, settings: dict[str, Any], problem: Any, network: Any, seeds: list[int], device: str = "cpu"
) -> Trainer:
    """A fresh trainer; give it a state with `load` before training."""
    if engine == "graphed":
        from perennial.learning.engines.graphed.batches.trainer import BatchTrainer
        from perennial.learning.engines.graphed.trainer import GraphedTrainer

        in_batches = "batch_size" in settings.get("procedure", {})
        made = BatchTrainer if in_batches else GraphedTrainer
        return made(settings, problem, network, seeds, device)
    if engine == "fused":
        from perennial.learning.engines.fused.trainer import FusedTrainer

        return FusedTrainer(settings, problem, network, seeds)
    if engine == "pooled":
        from perennial.learning.engines.pooled.trainer import PooledTrainer

        return PooledTrainer(settings, problem, network, seeds)
    from perennial.learning.engines.stacked import StackedTrainer

    return StackedTrainer(settings, problem, network, seeds)

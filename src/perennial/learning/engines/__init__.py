"""How a group of runs is trained, and where. Every engine computes what the algorithm's file defines.

Two are general, one file each. They take everything, a user's algorithm too:

`stacked`: the definition itself in PyTorch, all runs of the group in one stack. CPU.
`recorded`: the same step, recorded as a CUDA graph and replayed.

Five are fast paths for whole tasks of a single network, a folder each or two, which take what they know:

`lanes`: small online regressions on inputs of zeros and ones, eight runs in the lanes of a vector. CPU.
`fused`: compiled loops for online (batch 1) fully connected networks, one run at a time; a run costs tens of times
less. CPU.
`pooled`: convolutional networks in mini-batches, one run at a time; backwards it goes only through the places that
pooling took. CPU.
`dense`: small fully connected networks in mini-batches, one run at a time, gradients in closed form. CPU.
`graphed`: networks as one stack, recorded as a CUDA graph: fully connected ones online with closed-form gradients, in
`graphed/`; convolutional and other ones in mini-batches, in `graphed/batches/`.

Those that are made for CUDA run on the CPU too, where they are tested. The folder of a fast path exports

    covers(need) -> str | None       why it is not made for such networks, losses or courses, if so; imports no library
    LEARNER                          "module.Class" of its learner, within the folder

and a file for each algorithm, which exports

    KNOWS                            choice -> the values that the file knows; may be left out where nothing is chosen
    unsupported(settings)            why these settings have no fast path otherwise, if so

What a file does not know is refused, never trained as something else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from perennial import registry
from perennial.errors import UserError
from perennial.lazy import torch
from perennial.learning.learner import Need

#: engine -> its folders. Of several engines for the CPU the first that fits is taken.
FOLDERS = {
    "lanes": ("lanes",),
    "fused": ("fused",),
    "pooled": ("pooled",),
    "dense": ("dense",),
    "graphed": ("graphed", "graphed.batches"),
    "recorded": (),
    "stacked": (),
}
NAMES = tuple(FOLDERS)
GENERAL = {"recorded": "recorded.RecordedLearner", "stacked": "stacked.StackedLearner"}
#: fast path for the CPU -> runs of a group: more of them gain nothing. Of these the first that fits is taken.
GROUPS = {"lanes": 8, "fused": 1, "pooled": 1, "dense": 1}
COMPILED = ("lanes", "fused")  #: loops that go through no library: the same bits on every machine
ON_GPU = ("graphed", "recorded")  #: of these the first that fits is taken
DEVICES = ("cpu", "cuda")
# Left to itself, a network without a hidden layer this wide stays on the CPU, where the compiled loop is at its best
# and a GPU would wait for its kernels to start. To be set anew when both are measured side by side.
WIDE = 512

Knows = Mapping[str, tuple[str, ...]]  # choice -> the values that are known


class Unsupported(UserError, ValueError):
    """The asked-for engine cannot train this variant; the message says why."""


def fast_path(folder: str, algorithm: str) -> Any | None:
    """An algorithm's file in the folder of a fast path, if it has one."""
    name = f"{__name__}.{folder}.{algorithm}"
    module = importlib.import_module(name) if find_spec(name) else None
    return module if hasattr(module, "unsupported") else None  # a user's algorithm may be called "layout"


def fits(engine: str, need: Need) -> str | None:
    """Why an engine cannot serve a need, or None when it can."""
    reasons = [_why_not(folder, need) for folder in FOLDERS[engine]]
    if not reasons or None in reasons:
        return None
    covered = [_folder(folder).covers(need) is None for folder in FOLDERS[engine]]
    return reasons[covered.index(True) if any(covered) else -1 if need.batch > 1 else 0]


def _folder(folder: str) -> Any:
    return importlib.import_module(f"{__name__}.{folder}")


def _why_not(folder: str, need: Need) -> str | None:
    """Why the fast path of a folder does not serve a need, if so."""
    if reason := _folder(folder).covers(need):
        return reason
    name = need.algorithm["name"]
    module = fast_path(folder, name)
    if module is None:
        return f"algorithm '{name}' has no file in engines/{folder.replace('.', '/')}"
    hyper = registry.parse("algorithms", dict(need.algorithm))
    unknown = unknown_choice(type(hyper), vars(hyper), getattr(module, "KNOWS", {}))
    return unknown or module.unsupported(hyper)


def whole_tasks(need: Need, networks: Mapping[str, Knows], known_losses: tuple[str, ...]) -> str | None:
    """Why a fast path for whole tasks of a single network does not serve a need, if so; for `covers`.

    Args:
        networks: name -> what is known of its settings.
        known_losses: by name.
    """
    (network, *others) = need.networks.values()
    if not need.tasks or others or need.schedule or need.shared:
        return "it takes whole tasks of a single network at a constant rate only"
    if reason := refused("network", network["name"], tuple(networks)):
        return reason
    if further := set(need.loss.settings) - {"network"}:
        return f"it has no fast path for settings of a loss ({', '.join(sorted(further))})"
    settings = registry.module("networks", network["name"]).Settings
    return refused("loss", need.loss.name, known_losses) or unknown_choice(
        settings, network, networks[network["name"]]
    )


def online(need: Need, networks: Mapping[str, Knows], known_losses: tuple[str, ...]) -> str | None:
    """The same for a fast path that shows one example a step, in one pass over a task."""
    if need.batch != 1:
        return f"it takes one example a step (batch: {need.batch})"
    if need.passes:
        return "it learns a task in one pass"
    return whole_tasks(need, networks, known_losses)


def choices(settings: type) -> dict[str, tuple[str, ...]]:
    """The settings that choose between ways, with their values: those whose type is a Literal of words."""
    fields = {key: field.annotation for key, field in settings.model_fields.items()}
    return {key: get_args(kind) for key, kind in fields.items() if get_origin(kind) is Literal}


def unknown_choice(settings: type, given: Mapping[str, Any], knows: Knows) -> str | None:
    """The first choice among some settings that a fast file does not know, in words; None when it knows them all."""
    for key in choices(settings):
        value = given.get(key, settings.model_fields[key].default)
        if reason := refused(key, value, knows.get(key, ())):
            return reason
    return None


def refused(what: str, given: str, known: tuple[str, ...]) -> str | None:
    """`it has no fast path for loss 'hinge' (it knows: ...)`, or None where it is known."""
    if given in known:
        return None
    return f"it has no fast path for {what} '{given}' (it knows: {', '.join(known) or 'none'})"


def modules(need: Need) -> list[str]:
    """The code that a variant may be trained by: the definition's engine, definitions that its algorithm looks up by
    name, fast files of the engines that fit, and the recorder where no stack for a GPU does."""
    name = need.algorithm["name"]
    uses = getattr(registry.module("algorithms", name), "uses", lambda settings: ())
    others = uses(registry.parse("algorithms", dict(need.algorithm)))
    found, graphed = ["stacked"], False
    for engine, folders in FOLDERS.items():
        for folder in folders:
            if find_spec(f"{__name__}.{folder}.{name}") and _folder(folder).covers(need) is None:
                learner = _folder(folder).LEARNER.rpartition(".")[0]
                found += [f"{folder}.{part}" for part in (name, *others, learner)]
                graphed |= engine == "graphed"
    found += [] if graphed else ["recorded"]
    own = [module for part in found if find_spec(module := f"{__name__}.{part}")]
    return own + [registry.dotted("algorithms", other) for other in others]


def choose(need: Need, wanted: str = "auto", device: str = "auto") -> str:
    """The engine for a need. Left to itself: `graphed` where there is a GPU, else `lanes`, `fused` or `pooled`, or else
    `stacked`.

    Raises:
        Unsupported: when `wanted` names an engine that cannot train the variant, or no engine can on that device.
    """
    if wanted not in ("auto", *NAMES):
        raise Unsupported(f"engine: '{wanted}' is not one of auto, {', '.join(NAMES)}")
    if wanted == "auto":
        gpu = device == "cuda" or (device == "auto" and is_wide(need) and cuda_here())
        fitting = (engine for engine in (ON_GPU if gpu else GROUPS) if fits(engine, need) is None)
        return next(fitting, "stacked")
    if reason := fits(wanted, need):
        raise Unsupported(f"engine: {wanted} cannot train this variant: {reason}")
    return wanted


def device_of(engine: str, device: str = "auto") -> str:
    """The device that an engine uses, cpu or cuda.

    Raises:
        Unsupported: that device is not there, or the engine does not run on it.
    """
    if device not in ("auto", *DEVICES):
        raise Unsupported(f"device: '{device}' is not one of auto, {', '.join(DEVICES)}")
    if device == "cuda" and engine not in ON_GPU:
        allowed = ", ".join(("auto", *ON_GPU))
        raise Unsupported(f"device: cuda: engine {engine} runs on the CPU only (allowed engines: {allowed})")
    if device == "cuda" and not cuda_here():
        raise Unsupported(
            "device: cuda: PyTorch finds no CUDA device on this machine (allowed here: auto, cpu)"
        )
    return "cuda" if engine in ON_GPU and device != "cpu" and cuda_here() else "cpu"


def cuda_here() -> bool:
    """Whether PyTorch can use a GPU. PyTorch, slow to import, is asked only where a driver left its devices."""
    devices = Path("/dev")
    driver = any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()
    return driver and torch.cuda.is_available()


def same_bits(engine: str, measures: list[str]) -> str:
    """Where the runs of an engine have the same bits as here: on all processors with x86-64-v3, or on this machine.

    Sums in NumPy's linear algebra, oneDNN and PyTorch depend on the processor, and so do measures of a network's
    internals, which go through the first.
    """
    from perennial.files import compilation  # numba, which is slow to import

    if engine not in COMPILED:
        return compilation.THIS_MACHINE
    others = [name for name in measures if registry.module("measures", name).KIND != "performance"]
    everywhere = compilation.same_bits()
    if not others or everywhere == compilation.THIS_MACHINE:
        return everywhere
    return f"{everywhere}; {', '.join(others)}: {compilation.THIS_MACHINE}"


def is_wide(need: Need) -> bool:
    """Whether a GPU gains: some hidden layer has many numbers for each example."""
    parsed = ((one["name"], registry.parse("networks", dict(one))) for one in need.networks.values())
    return max((registry.module("networks", name).width(own) for name, own in parsed), default=0) >= WIDE


def learner(engine: str, need: Need, networks: Any, seeds: list[int], device: str = "cpu") -> Any:
    """A fresh `TaskLearner` where the need is of whole tasks, else a `Learner`; give it a state with `load` first.

    Args:
        engine: as from `choose`.
        need: what is asked for.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: as from `device_of`.

    Raises:
        Unsupported: the engine cannot.
    """
    folder = next((folder for folder in FOLDERS[engine] if _why_not(folder, need) is None), None)
    if folder is None and engine not in GENERAL:
        raise Unsupported(f"engine: {engine} cannot train this variant: {fits(engine, need)}")
    place = f"{folder}.{_folder(folder).LEARNER}" if folder else GENERAL[engine]
    module, _, name = place.rpartition(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)(need, networks, seeds, device)

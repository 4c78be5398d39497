"""How a group of runs is trained, and where. Every engine computes what the algorithm's file defines.

`stacked`: the definition itself in PyTorch, all runs of the group in one stack. Takes everything; CPU.
`fused`: compiled loops for online (batch 1) fully connected networks, one run at a time; a run costs tens of times
less. CPU.
`pooled`: convolutional networks in mini-batches, one run at a time; backwards it goes only through the places that
pooling took. CPU.
`graphed`: networks as one stack, recorded as a CUDA graph: fully connected ones online with closed-form gradients, in
`graphed/`; convolutional and other ones in mini-batches, in `graphed/batches/`. Made for CUDA, and runs on the CPU too.

The folder of a fast path exports

    covers(need) -> str | None       why it is not made for such networks, losses or courses, if so; imports no library
    LEARNER                          "module.Class" of its learner, within the folder

and a file for each algorithm, which exports

    KNOWS                            choice -> the values that the file knows; may be left out where nothing is chosen
    unsupported(settings)            why these settings have no fast path otherwise, if so

What a file does not know is refused, never trained as something else.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from perennial import registry
from perennial.errors import UserError
from perennial.lazy import torch
from perennial.learning import losses
from perennial.learning.learner import Need

#: engine -> its folders. Of several engines for the CPU the first that fits is taken.
FOLDERS = {
    "fused": ("fused",),
    "pooled": ("pooled",),
    "graphed": ("graphed", "graphed.batches"),
    "stacked": (),
}
NAMES = tuple(FOLDERS)
ONE_BY_ONE = (
    "fused",
    "pooled",
)  #: engines that gain nothing from a stack, on the CPU: each run is a group by itself
DEVICES = ("cpu", "cuda")
# Left to itself, a network without a hidden layer this wide stays on the CPU, where the compiled loop is at its best
# and a GPU would wait for its kernels to start. To be set anew when both are measured side by side.
WIDE = 512


class Unsupported(UserError, ValueError):
    """The asked-for engine cannot train this variant; the message says why."""


def fast_path(folder: str, algorithm: str) -> Any | None:
    """An algorithm's file in the folder of a fast path, if it has one."""
    name = f"{__name__}.{folder}.{algorithm}"
    return importlib.import_module(name) if find_spec(name) else None


def fits(engine: str, need: Need) -> str | None:
    """Why an engine cannot serve a need, or None when it can."""
    if not FOLDERS[engine]:
        return None
    reasons = [_why_not(folder, need) for folder in FOLDERS[engine]]
    return (
        None
        if None in reasons
        else next(iter(reasons))
        if len(reasons) == 1
        else _nearest(engine, need, reasons)
    )


def _nearest(engine: str, need: Need, reasons: list[str | None]) -> str:
    """Of the reasons of several folders that of the one whose course and network fit."""
    covered = [not _folder(folder).covers(need) for folder in FOLDERS[engine]]
    return str(reasons[covered.index(True)] if any(covered) else reasons[need.batch > 1])


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
    return unknown_choice(hyper, getattr(module, "KNOWS", {})) or module.unsupported(hyper)


def choices(settings: type) -> dict[str, tuple[str, ...]]:
    """The settings that choose between ways, with their values: those whose type is a Literal of words."""
    fields = {key: field.annotation for key, field in settings.model_fields.items()}
    return {key: get_args(kind) for key, kind in fields.items() if get_origin(kind) is Literal}


def unknown_choice(hyper: Any, knows: dict[str, tuple[str, ...]]) -> str | None:
    """The first choice of some settings that a fast file does not know, in words; None when it knows them all."""
    for key in choices(type(hyper)):
        value, known = getattr(hyper, key), knows.get(key, ())
        if value not in known:
            allowed = ", ".join(known) or "none"
            return f"it has no fast path for {key} '{value}' (it knows: {allowed})"
    return None


def refused(what: str, given: str, known: tuple[str, ...]) -> str | None:
    """`it has no fast path for loss 'hinge' (it knows: ...)`, or None where it is known; for `covers`."""
    return (
        None if given in known else f"it has no fast path for {what} '{given}' (it knows: {', '.join(known)})"
    )


def modules(need: Need) -> list[str]:
    """The code that a variant may be trained by: the definition's engine, definitions that its algorithm looks up by
    name, and fast files of the engines that fit."""
    name = need.algorithm["name"]
    uses = getattr(registry.module("algorithms", name), "uses", lambda settings: ())
    others = uses(registry.parse("algorithms", dict(need.algorithm)))
    found = [f"{__name__}.stacked", *(registry.dotted("algorithms", other) for other in others)]
    for folders in FOLDERS.values():
        for folder in folders:
            if find_spec(f"{__name__}.{folder}.{name}") and _folder(folder).covers(need) is None:
                learner = _folder(folder).LEARNER.rpartition(".")[0]
                found += [f"{__name__}.{folder}.{part}" for part in (name, *others, learner)]
    return [module for module in found if find_spec(module)]


def choose(need: Need, wanted: str = "auto", device: str = "auto") -> str:
    """The engine for a need. Left to itself: `graphed` where there is a GPU, else `fused` or `pooled`, else `stacked`.

    Raises:
        Unsupported: when `wanted` names an engine that cannot train the variant, or no engine can on that device.
    """
    if wanted not in ("auto", *NAMES):
        raise Unsupported(f"engine: '{wanted}' is not one of auto, {', '.join(NAMES)}")
    if wanted == "auto" and (device == "cuda" or (device == "auto" and is_wide(need) and cuda_here())):
        reason = fits("graphed", need)
        if device == "cuda" and reason:
            raise Unsupported(f"device: cuda: engine graphed cannot train this variant: {reason}")
        if reason is None:
            return "graphed"
    if wanted == "auto":
        return next((engine for engine in ONE_BY_ONE if fits(engine, need) is None), "stacked")
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


def is_wide(need: Need) -> bool:
    """Whether a GPU gains: some hidden layer has many numbers for each example."""
    parsed = ((one["name"], registry.parse("networks", dict(one))) for one in need.networks.values())
    return max((registry.module("networks", name).width(own) for name, own in parsed), default=0) >= WIDE


def task_learner(
    engine: str,
    settings: dict[str, Any],
    need: Need,
    problem: Any,
    networks: Any,
    seeds: list[int],
    device: str = "cpu",
) -> Any:
    """A fresh `TaskLearner`; give it a state with `load` before training.

    Args:
        engine: as from `choose`.
        settings: canonical settings of the variant.
        problem: one run's problem.
        networks: of one run: a single one, called `losses.NETWORK`.
        seeds: one per run, in the order of axis r.
        device: as from `device_of`.
    """
    if engine == "stacked":
        from perennial.learning.engines.stacked import StackedLearner

        return StackedLearner(settings["algorithm"], networks, seeds, need.loss, need.batch)
    folder = next(folder for folder in FOLDERS[engine] if _folder(folder).covers(need) is None)
    file, _, name = _folder(folder).LEARNER.rpartition(".")
    made = getattr(importlib.import_module(f"{__name__}.{folder}.{file}"), name)
    network = networks.views[losses.NETWORK].network
    arguments = (settings, problem, network, seeds)
    return made(*arguments, device) if engine == "graphed" else made(*arguments)


def learner(engine: str, need: Need, networks: Any, seeds: list[int]) -> Any:
    """A fresh `Learner` that takes single steps; give it a state with `load` first.

    Raises:
        Unsupported: the engine has no way to take single steps.
    """
    if engine != "stacked":
        raise Unsupported(f"engine: {engine} learns whole tasks only (allowed here: auto, stacked)")
    from perennial.learning.engines.stacked import StackedLearner

    return StackedLearner(need.algorithm, networks, seeds, batch=need.batch)

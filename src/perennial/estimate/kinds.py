"""Runs that cost alike: one kind for all variants that differ in numbers of their algorithm only.

A kind that was not measured is estimated from its nearest measured neighbour, by the number of weights.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from perennial import procedures, registry
from perennial.learning import engines
from perennial.procedures import Cost

FAR = 30.0  # times as many weights, or as few, beyond which a neighbour tells nothing


@dataclass(frozen=True)
class Kind:
    """What a run's cost depends on."""

    engine: str
    device: str
    runs: int  #: trained together: a stack, or a group of `engines.GROUPS`
    text: str  #: JSON of all settings that matter

    @property
    def key(self) -> str:
        """The kind as text."""
        return f"{self.engine} {self.device} {self.runs} {self.text}"

    @property
    def settings(self) -> dict[str, Any]:
        """Parsed `text`."""
        return json.loads(self.text)


def kind_of(settings: dict[str, Any], engine: str, device: str, seeds: int) -> Kind:
    """The kind of a block, as it runs on a CPU if it can: seconds of a GPU come from a table of their own.

    Args:
        settings: canonical settings of the variant.
        engine, device: as the config has them.
        seeds: of the block.
    """
    need, device = procedures.need(settings), "cpu" if device == "auto" else device
    engine = engines.choose(need, engine, device) if need else "stacked"
    algorithm = {key: _kind_of_value(value) for key, value in settings["algorithm"].items()}
    own = {key: value for key, value in settings.items() if key not in ("algorithm", "length")}
    text = json.dumps({**own, "algorithm": algorithm}, sort_keys=True)
    return Kind(engine, device, min(engines.GROUPS.get(engine, seeds), seeds), text)


def cost_of_run(settings: dict[str, Any]) -> Cost:
    """Steps, memory and weights of one run of a variant, as its procedure says."""
    return _cost_of_run(json.dumps(settings))


@functools.cache
def _cost_of_run(settings: str) -> Cost:
    own = json.loads(settings)
    return registry.module("procedures", own["procedure"]["name"]).cost(own)


def held(engine: str, seeds: int, state: int, weights: int) -> int:
    """Bytes of a block's runs at their peak.

    Runs that are trained in small groups leave their last states behind, which are joined at the end: twice all of
    them. Before that, the last one is held three times. A stack has its state, a copy of it at the end, and three
    arrays of the size of its weights within a step.

    Args:
        state, weights: bytes of one run.
    """
    if engine in engines.GROUPS:
        return max(2 * seeds, seeds + 3) * state
    return seeds * (2 * state + 3 * weights)


def weight_bytes(settings: dict[str, Any]) -> int:
    """Bytes of one run's weights."""
    return cost_of_run(settings).weights * np.dtype(settings["precision"]).itemsize


def gains_from_gpu(settings: dict[str, Any]) -> bool:
    """Whether a variant would be given to a GPU where there is one."""
    need = procedures.need(settings)
    return need is not None and engines.is_wide(need) and engines.fits("graphed", need) is None


def _kind_of_value(value: Any) -> Any:
    """Only whether a number is 0 matters for the cost of a step: a rate of 0 may switch a part off."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return bool(value) if number else value


def family(kind: Kind) -> str:
    """Kinds of one family differ in activation and problem; one of each is measured before any second one."""
    own = kind.settings
    network = {key: value for key, value in own["network"].items() if not isinstance(value, str)}
    return json.dumps([kind.engine, own["algorithm"], network, own["precision"]], sort_keys=True)


def in_order(work: Mapping[Kind, float], weights: Mapping[Kind, int]) -> list[Kind]:
    """The order of measuring: first what lets most costs be told, then what the sum depends on most.

    First comes the lightest kind of each algorithm on each problem, small networks before large ones: each takes
    little time, and tells the cost of its neighbours. Then the costliest of each family, then the others, the
    costliest first.

    Args:
        work: kind -> run-steps times weights.
        weights: kind -> of one run.
    """
    by_work = sorted(work, key=lambda kind: -work[kind])
    light: dict[str, Kind] = {}
    for kind in sorted(by_work, key=lambda kind: weights[kind]):
        light.setdefault(_world(kind), kind)
    first: dict[str, Kind] = {}
    for kind in by_work:
        first.setdefault(family(kind), kind)
    return list(dict.fromkeys([*light.values(), *first.values(), *by_work]))


def _world(kind: Kind) -> str:
    """The algorithm's name, the problem's and the engine."""
    own = kind.settings
    worlds = [own[part]["name"] for part in registry.WORLDS if part in own]
    return json.dumps([kind.engine, kind.device, own["algorithm"]["name"], worlds])


def nearest(kind: Kind, measured: Iterable[Kind], weights: Mapping[Kind, int]) -> Kind | None:
    """The measured kind that is most like this one.

    None where nothing comes near: another algorithm or engine, or a network more than FAR times larger or smaller.
    """
    own = kind.settings

    def near(other: Kind) -> bool:
        same = other.settings["algorithm"]["name"] == own["algorithm"]["name"]
        close = 1 / FAR <= weights[other] / weights[kind] <= FAR
        return same and close and (other.engine, other.device) == (kind.engine, kind.device)

    def likeness(other: Kind) -> tuple[float, ...]:
        its = other.settings
        choices = sum(its["algorithm"].get(key) == value for key, value in own["algorithm"].items())
        apart = abs(np.log(weights[other] / weights[kind]))
        parts = ("network", "procedure", *registry.WORLDS, "precision")
        same = [its.get(part) == own.get(part) for part in parts]
        return (choices, -apart, *map(float, same), -abs(other.runs - kind.runs))

    return max(filter(near, measured), key=likeness, default=None)

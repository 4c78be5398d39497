"""One method in a tiny learner, step by step, with what a slow oracle wants to see: gradients, activations, weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from contracts.tiny import CASES, SEEDS

from perennial import registry
from perennial.learning import tree
from perennial.learning.engines.stacked import take_step
from perennial.learning.losses import LossSpec
from perennial.streams.clock import Clock


class Step(NamedTuple):
    """What an update is given, and what it makes of it: arrays of one run, without the axis r."""

    number: int  #: from 0
    before: Any  #: state
    gradients: dict[str, np.ndarray]
    features: dict[str, np.ndarray]  #: [b, h p]
    after: Any  #: state


def steps(
    settings: dict[str, Any], count: int, case: str = "online", change: Callable[[Any], None] | None = None
) -> Iterator[Step]:
    """Train two runs and show the first.

    Args:
        settings: of the algorithm, with its name.
        change: changes the first state of tensors in place.
    """
    chosen, seeds = CASES[case], SEEDS[:2]
    module, hyper = registry.module("algorithms", settings["name"]), registry.parse("algorithms", settings)
    state = tree.each(torch.tensor, chosen.learner(settings, seeds=seeds).state())
    if change:
        change(state)
    seen: dict[str, Any] = {}

    def update(hyper: Any, networks: Any, state: Any, gradients: Any, features: Any, *rest: Any) -> None:
        seen.update(before=first(state), gradients=first(gradients), features=first(features))
        module.update(hyper, networks, state, gradients, features, *rest)

    spy = SimpleNamespace(**{**vars(module), "update": update})
    for number in range(count):
        batch = {name: torch.tensor(array) for name, array in chosen.batch_of(seeds, number).items()}
        batch["inputs"] = batch["inputs"].to(torch.float64)
        clock = Clock(seeds, 0, number)
        take_step(spy, hyper, chosen.networks(), state, LossSpec(chosen.loss), batch, clock, 1.0)
        yield Step(number, after=first(state), **seen)


def first(found: Any) -> Any:
    """The first run of a tree of tensors, copied."""
    return tree.each(lambda tensor: tensor[0].detach().numpy().copy(), found)


def hyper(name: str, **changes: Any) -> dict[str, Any]:
    """Settings of a method with a step size of 0.05."""
    return {"name": name, "step_size": 0.05, **changes}

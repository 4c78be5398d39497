"""The runs of a stack: their settings, seeds and data, whatever the network is like."""

from __future__ import annotations

import copy
import math
from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms import Clock
from perennial.learning.engines.graphed.feed import Feed
from perennial.learning.engines.graphed.layout import Layout


class Runs:
    """What the rules of algorithms have in common to work on.

    Args:
        network: shape of the network.
        layout: padding.
        feed: the data.
        hypers: typed settings of the algorithm, one for each run.
        seeds: one for each run.
        state: the definition's state, padded, on the device.
    """

    def __init__(
        self, network: Any, layout: Layout, feed: Feed, hypers: list[Any], seeds: list[int], state: Any
    ) -> None:
        self.network, self.layout, self.feed, self.hypers, self.state = network, layout, feed, hypers, state
        self.clock = Clock(layout.per_run(seeds, 1, torch.int64), feed.task, feed.step)

    def under(self, hypers: list[Any]) -> Any:
        """The same stack under other settings, for an algorithm that contains another."""
        other = copy.copy(self)
        other.hypers = hypers
        return other

    def rate(self, name: str, dims: int = 3, dtype: Any = None) -> Any:
        """A hyper-parameter of every run, [r, 1, ...] with `dims` axes."""
        return self.layout.per_run([getattr(hyper, name) for hyper in self.hypers], dims, dtype)

    def gain(self, name: str, dims: int = 3) -> Any:
        """1 - a decay of every run, subtracted in double precision: 1 - 0.999 in single is wrong by 1e-5 of it."""
        return self.layout.per_run([1 - getattr(hyper, name) for hyper in self.hypers], dims)

    def log(self, name: str, dims: int = 3, dtype: Any = None) -> Any:
        """Logarithm of a decay of every run, for `bias_correction`."""
        decays = [getattr(hyper, name) for hyper in self.hypers]
        logarithms = [math.log(decay) if decay > 0 else -math.inf for decay in decays]
        return self.layout.per_run(logarithms, dims, dtype)

    def any(self, name: str) -> bool:
        """Whether a hyper-parameter is other than zero in any run."""
        return any(getattr(hyper, name) != 0 for hyper in self.hypers)


def bias_correction(log_decay: Any, age: Any) -> Any:
    """1 - decay^age, the share of a running average that is not its start at zero; age at least 1."""
    return -torch.expm1(age * log_decay)

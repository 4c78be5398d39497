"""The runs of a stack: their settings, seeds, data and state, whatever the network is like."""

from __future__ import annotations

import copy
from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms import Clock
from perennial.learning.engines.graphed.feed import Feed
from perennial.learning.engines.graphed.layout import Layout
from perennial.learning.losses import NETWORK
from perennial.learning.views import Networks


class Runs:
    """What the rules of algorithms have in common to work on.

    Args:
        networks: of one run, a single one.
        layout: padding.
        feed: the data.
        hyper: typed settings of the algorithm.
        seeds: one for each run.
        state: the definition's state, padded, on the device.
        real: the same without the pads: views, for what the definition does itself.
    """

    def __init__(
        self,
        networks: Networks,
        layout: Layout,
        feed: Feed,
        hyper: Any,
        seeds: list[int],
        state: Any,
        real: Any,
    ) -> None:
        self.networks, self.network = networks, networks.views[NETWORK].network
        self.layout, self.feed, self.hyper, self.state, self.real = layout, feed, hyper, state, real
        self.clock = Clock(layout.per_run(seeds, 1, torch.int64), feed.task, feed.step)

    def under(self, hyper: Any) -> Any:
        """The same stack under other settings, for an algorithm that contains another."""
        other = copy.copy(self)
        other.hyper = hyper
        return other

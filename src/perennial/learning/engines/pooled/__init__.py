"""Convolutional networks on the CPU, one run at a time, backwards only where pooling let something through.

Of the four places of a pooling window one has a gradient, and none if the ReLU is off. So the backward pass of a
convolution followed by pooling has at most a quarter of the forward pass's work. Library kernels do all of it; the
compiled kernels here go through the places that count. The forward pass is the library's, channels last.

A file named after an algorithm makes its step fast. It exports

    unsupported(settings) -> str | None     why it cannot be done here, if so
    Rule(settings, layout, arrays)          step(features, clock): the update of one run, once its gradient is there
"""

from __future__ import annotations

from perennial.learning import engines
from perennial.learning.learner import Need

LEARNER = "trainer.PooledTrainer"
NETWORKS: dict[str, engines.Knows] = {"convnet": {}}
LOSSES = ("cross_entropy",)


def covers(need: Need) -> str | None:
    """Convolutional networks in mini-batches, in whole pieces of tasks."""
    return engines.whole_tasks(need, NETWORKS, LOSSES)

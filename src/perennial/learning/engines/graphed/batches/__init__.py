"""Stacked networks in mini-batches for a GPU: convolutional ones, and fully connected ones with the same procedure.

With a whole batch a gradient is a sum over examples, so it is stored, and PyTorch's automatic differentiation makes
it: the loss is a sum over runs that have nothing in common, its gradient is that of each run. All of it happens within
the recorded step. How several runs' convolutions become one operation says `convolution.py`; how the numbers lie,
`flat.py`. Nothing is padded: unlike the online stack, this one does not promise a run's bits whatever its neighbours.

A file named after an algorithm makes its step fast. It exports

    unsupported(settings) -> str | None      why these settings have no fast path, if so
    Rule(stack)                              step(features): the update of all runs, once `stack.gradients` is there
"""

from __future__ import annotations

from perennial import registry
from perennial.learning import engines, losses
from perennial.learning.learner import Need

LEARNER = "trainer.BatchTrainer"


def covers(need: Need) -> str | None:
    """Networks in mini-batches, in whole pieces of tasks; any loss of the outputs of one network."""
    if need.batch == 1:
        return "it takes mini-batches (batch: 1)"
    # The forward pass is the network's own: whatever its settings choose is known.
    knows = {name: engines.choices(registry.module("networks", name).Settings) for name in ("mlp", "convnet")}
    return engines.whole_tasks(need, knows, losses.names())

"""Stacked online networks for a GPU: closed-form gradients, no wait for the host within a task.

All runs of a block move in one stack, as in the definition, but nothing here tracks gradients, data lie on the
device, and every step does the same operations on the same memory: so a task's steps can be recorded once as a
CUDA graph and replayed (`replay.py`). On a CPU the same step runs as it stands, which is how it is tested.
`layout.py` is how arrays lie in memory, `feed.py` the data, `step.py` forward and backward, `trainer.py` the
engine; each algorithm's own part is the file of its name, which exports

    unsupported(settings) -> str | None      why these settings have no fast path, if so
    Rule(stack)                              its part of the step, a `step.Rule` for a `step.Stack`

`batches/` is the same for mini-batches and convolutional networks.

The state is the definition's (`init` of the algorithm), only padded. What a fast form gains nothing by is done by the
definition itself, on views without the pads (`Stack.real`).

No operation of a step may mix two runs, wait for the device, or do different work for different data.
"""

from __future__ import annotations

from perennial.learning import engines
from perennial.learning.learner import Need

LEARNER = "trainer.GraphedTrainer"
NETWORKS = {"mlp": {"activation": ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")}}
LOSSES = ("squared_error", "cross_entropy")


def covers(need: Need) -> str | None:
    """Fully connected networks with one example a step, in whole tasks."""
    return engines.online(need, NETWORKS, LOSSES)

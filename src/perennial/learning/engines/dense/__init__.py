"""Small fully connected networks in mini-batches on the CPU, one run at a time, with gradients in closed form.

Such a step is a dozen products of small matrices; most of its time in PyTorch goes into keeping account of them. Here
each array of a run lies in one flat vector, and NumPy multiplies. A file named after an algorithm makes its step:

    unsupported(settings) -> str | None     why it cannot be done here, if so
    step(settings, weights, gradients, memories, updates)     one update of flat vectors, in place
    MEMORIES                                names of its optimiser's memories that are like the weights
"""

from __future__ import annotations

from perennial.learning import engines
from perennial.learning.learner import Need

LEARNER = "trainer.DenseTrainer"
NETWORKS: dict[str, engines.Knows] = {"residual_mlp": {"activation": ("relu", "tanh")}}
LOSSES = ("cross_entropy",)


def covers(need: Need) -> str | None:
    """Residual and plain fully connected networks in mini-batches, in whole pieces of tasks."""
    reason = engines.whole_tasks(need, NETWORKS, LOSSES)
    return reason or ("it takes mini-batches (batch: 1)" if need.batch == 1 else None)

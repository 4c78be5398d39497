"""Compiled loops for online (batch 1) fully connected networks: one run at a time, one sequential loop.

What makes it fast: no allocation and no dispatch per step; weights are [i, o], so that a zero activation skips
its whole row in the forward pass, the backward pass and the update; the shape of the network is known to the
compiler. `loop.py` is the step, `layout.py` how arrays lie in memory, `trainer.py` the engine; each algorithm's
own part is the file of its name, which exports

    unsupported(settings) -> str | None      why these settings have no fast path, if so
    pack(settings, layout, state, run)       the algorithm's arrays of one run, as a tuple for the loop
    unpack(settings, layout, arrays) -> dict the same, back to the state's branches optimiser and algorithm
    hooks(settings, layout) -> Hooks         its part of the loop

Only the algorithm's definition in `perennial.learning.algorithms` says what is right; tests hold the loops to it.
"""

from __future__ import annotations

from perennial.learning import engines
from perennial.learning.learner import Need

LEARNER = "trainer.FusedTrainer"
NETWORKS = {"mlp": {"activation": ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")}}
LOSSES = ("squared_error", "cross_entropy")


def covers(need: Need) -> str | None:
    """Fully connected networks with one example a step, in whole pieces of tasks."""
    return engines.online(need, NETWORKS, LOSSES)

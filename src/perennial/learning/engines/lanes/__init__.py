"""Compiled loops with eight runs in the lanes of a vector: small online regressions on inputs of zeros and ones.

A step of a 20-5-1 network is too short to fill vectors with its units; eight runs fill them. Nothing passes between
lanes, and each does what the loop of `fused` does, in the same order: the bits are the same. `layout.py` says how the
arrays of eight runs lie in memory, `loop.py` is the step, `sums.py` adds up,
`trainer.py` is the engine; each algorithm's own part is the file of its name, which exports

    unsupported(settings) -> str | None     why these settings have no fast path, if so
    pack(settings, layout, state)           the algorithm's arrays of eight runs, as a tuple for the loop
    unpack(settings, layout, own) -> dict   the same, back to the state's branches optimiser and algorithm
    hooks(settings, layout) -> Hooks        its part of the loop

Only the algorithm's definition in `perennial.learning.algorithms` says what is right; tests hold the loops to it.
"""

from __future__ import annotations

from perennial.learning import engines
from perennial.learning.learner import Need

LEARNER = "trainer.LanesTrainer"
NETWORKS = {"mlp": {"activation": ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")}}
LOSSES = ("squared_error",)
UNITS = 8  #: at most, of a hidden layer: then each partial sum of `vectors` over them has one term
INPUTS = 32  #: at most: the bits of a word


def covers(need: Need) -> str | None:
    """Online regressions on a word of bits, by a linear map or a network with one small hidden layer."""
    if reason := engines.online(need, NETWORKS, LOSSES):
        return reason
    if not need.bits:
        return "it takes inputs of zeros and ones only"
    if need.bits > INPUTS:
        return f"it takes {INPUTS} inputs at most"
    (network,) = need.networks.values()
    hidden = network["hidden"]
    if len(hidden) > 1 or max(hidden, default=0) > UNITS:
        return f"it takes one hidden layer of {UNITS} units at most"
    return None

"""How it is learnt. One file per algorithm, found by its name; the file is the algorithm's definition.

An algorithm's file exports

    Settings                                                      its hyper-parameters and switches
    init(settings, network, weights) -> State branches            {"optimiser": {...}, "algorithm": {...}}
    update(settings, network, state, gradients, features, clock)  one step of all runs, in place

All arrays are tensors with a leading axis r for the runs. `update` is called without gradient tracking, after
the forward and backward pass of one mini-batch. No operation may mix two runs: a run's numbers must not
depend on its neighbours. Random numbers come from `noise_like` or `perennial.streams.tensors`, never from
a global generator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

State = dict[str, Any]  # nested: weights, buffers, optimiser, algorithm, problem


class Clock(NamedTuple):
    """Whose step, and which: what the random streams need to know."""

    seeds: Any  # list of the runs' seeds in the order of axis r; the graphed engine has tensors in all places
    task: Any
    step: Any  # within the task

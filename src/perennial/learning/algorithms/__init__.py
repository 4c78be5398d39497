"""How it is learnt. One file per algorithm, found by its name; the file is the algorithm's definition.

An algorithm's file exports

    Settings                                                      its hyper-parameters and switches
    init(settings, network, weights) -> State branches            {"optimiser": {...}, "algorithm": {...}}
    update(settings, network, state, gradients, features, clock)  one step of all runs, in place

and, if it changes the forward pass of the hidden layers, either or both of

    pre_activation(settings, state, layer, z, clock) -> z         before the activation function, [r, b, h]
    post_activation(settings, state, layer, h, clock) -> h        after it; the next layer and `features` see it

They are differentiated. Numbers of their own that are to be learnt, such as a gain, `init` returns as a further
branch `weights`: all weights, its own among them, under names of its own [r, ...]. They then have gradients in
`update`. Only `weight_*` are matrices of the network, and counted as such. In a probe `clock` is None and nothing
is differentiated: the hook returns what the network is when it is looked at, and leaves the state as it is.

All arrays are tensors with a leading axis r for the runs. `update` is called without gradient tracking, after
the forward and backward pass of one mini-batch. No operation may mix two runs: a run's numbers must not
depend on its neighbours. Random numbers come from `noise_like` or `perennial.streams.tensors`, never from
a global generator.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from perennial.streams.clock import Clock

__all__ = ["Clock", "Hook", "State", "hooks"]

Hook = Callable[[int, Any], Any]  # (layer, [r, b, h]) -> [r, b, h]
State = dict[str, Any]  # nested: weights, buffers, optimiser, algorithm, problem


def hooks(algorithm: ModuleType, settings: Any, state: State, clock: Clock | None) -> dict[str, Hook]:
    """What an algorithm does in the forward pass, as arguments for `Network.forward`; empty if it leaves it alone.

    Args:
        algorithm: the module.
        state: what the hooks are given; its weights are those that are differentiated.
        clock: None for a probe.
    """

    def bound(function: Callable[..., Any]) -> Hook:
        return lambda layer, x: function(settings, state, layer, x, clock)

    names = (name for name in ("pre_activation", "post_activation") if hasattr(algorithm, name))
    return {name: bound(getattr(algorithm, name)) for name in names}

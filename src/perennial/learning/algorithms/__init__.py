"""How it is learnt. One file per algorithm, found by its name; the file is the algorithm's definition.

An algorithm's file exports

    Settings                                          its hyper-parameters and switches
    init(settings, networks, weights) -> State        branches {"optimiser": {...}, "algorithm": {...}}
    update(settings, networks, state, gradients, features, clock, rate)    one step of all runs, in place

It may export `uses(settings) -> names` of other algorithms that it looks up by name, whose code is part of its own;
and, if it changes the forward pass of the hidden layers, either or both of

    pre_activation(settings, state, layer, z, clock) -> z         before the activation function, [r, b, h]
    post_activation(settings, state, layer, h, clock) -> h        after it; the next layer and `features` see it

`weights` are all parameters by name, `gradients` those that took part in the step (the others stay as they are),
`features` the activations [r, b, h p] of the hidden layers that took part, by `layer.key`. `networks` is a
`perennial.learning.views.Networks`: its `hidden` lists every hidden layer once, and a `HiddenLayer` says what its units
own. `rate` multiplies the step size.

It may export `NEUTRAL`, settings under which it is the plain gradient step, backpropagation or Adam, to the last bit;
and, if it remembers something of single weights or looks at others than it trains,

    renewed(settings, networks, state, names)    the procedure has written new weights of those names, such as a head
    evaluated(settings, state) -> weights        those that probes and tests look at

Hooks are differentiated. Numbers of their own that are to be learnt, such as a gain, `init` returns as a further branch
`weights`: all weights, its own among them, under names of its own [r, ...] (`layer.name("gain")`). They then have
gradients in `update`. Only `weight_*` are matrices of the network, and counted as such. In a probe `clock` is None and
nothing is differentiated: the hook returns what the network is when it is looked at, and leaves the state as it is.

All arrays are tensors with a leading axis r for the runs. `update` is called without gradient tracking, after the
forward and backward pass of one mini-batch. It must not wait for the host: shapes are fixed, and what happens every so
many steps depends on the clock alone, whose fields and `rate` may be tensors. So the same file runs on a CPU, in a
stack, and recorded as a CUDA graph. No operation may mix two runs: a run's numbers must not depend on its neighbours.
Random numbers come from `perennial.streams.tensors`, never from a global generator.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from perennial.lazy import torch
from perennial.learning import tree
from perennial.streams.clock import Clock

__all__ = ["Clock", "Hook", "State", "begun", "hooks", "looked_at"]

Hook = Callable[[int, Any], Any]  # (index of the layer in its network, [r, b, h]) -> [r, b, h]
State = dict[str, Any]  # nested: weights, buffers, optimiser, algorithm, problem


def begun(algorithm: ModuleType, settings: Any, networks: Any, state: State) -> State:
    """A state of arrays with all its branches: weights alone get those that the algorithm adds to new weights."""
    if "algorithm" in state:
        return state
    fresh = algorithm.init(settings, networks, tree.each(torch.tensor, state["weights"]))
    return {"buffers": {}, "problem": {}, **state, **tree.numbers(fresh)}


def looked_at(algorithm: ModuleType, settings: Any, state: State) -> dict[str, Any]:
    """The weights that probes and tests see."""
    return algorithm.evaluated(settings, state) if hasattr(algorithm, "evaluated") else state["weights"]


def hooks(
    algorithm: ModuleType, settings: Any, state: State, clock: Clock | None, networks: Any, name: str
) -> dict[str, Hook]:
    """What an algorithm does in the forward pass of one network, as arguments for `Network.forward`.

    Args:
        algorithm: the module; empty if it leaves the forward pass alone.
        state: what the hooks are given; its weights are those that are differentiated.
        clock: None for a probe.
        networks: of the learner.
        name: of the network.
    """

    def bound(function: Callable[..., Any]) -> Hook:
        return lambda index, x: function(settings, state, networks.layer(name, index), x, clock)

    there = (hook for hook in ("pre_activation", "post_activation") if hasattr(algorithm, hook))
    return {hook: bound(getattr(algorithm, hook)) for hook in there}

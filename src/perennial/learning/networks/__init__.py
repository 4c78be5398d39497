"""Shapes and initial weights. One file per network, found by its name.

A network's file exports `Settings` and `Network(settings, inputs, outputs, shape=None)`, `shape` being that of an
image where the inputs are one. A network holds no weights. It has

    layers         their number; the last one, the head, is linear, the others are hidden
    names          of the weights [r, ...], among them `weight_l` and `bias_l` [r, o] of each layer l
    bounds         of each layer's initial weights
    stackable      True if with one example a step a run's bits do not depend on its place in a stack of runs
    init(seed, task, dtype, address)   fresh weights of one run; `address` is added to the layer in the random streams
    forward, features
    distribution   of fresh weights: uniform within the bounds, unless it says "normal", of the same variance

One that remembers something beside its weights, such as running statistics of batch normalisation, lists its
`buffer_names`. It has `buffers(dtype)`, fresh ones of one run, and its `forward` takes them with a `mode`: "train"
moves them on, in place; "test" uses them; "probe" is what it does where it is looked at.

A hidden layer's activations are [r, b, h p]: h units, each at p places of the image (1 where there is none). An
algorithm that deals with single units need not know what a layer is like. For it a network has

    units(arrays, layer)         what each unit owns: `Units`, views of any arrays shaped like the weights
    by_unit(layer, features)     [r, b, h, p] activations, of tensors or arrays

What is written to the views is written to the arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Units(NamedTuple):
    """What the units of a hidden layer own, in arrays shaped like the weights (or like one optimiser memory)."""

    incoming: Any  #: [r, h, i, ...] weights of all that each unit receives
    outgoing: tuple[
        Any, ...
    ]  #: [r, h, p, o, ...] weights that each next layer has for each unit; p = 1: alike everywhere
    affine: tuple[tuple[Any, float], ...]  #: ([r, h], fresh value): biases, gains
    statistics: tuple[tuple[Any, float], ...] = ()  #: ([r, h], fresh value): running means and variances
    next_biases: tuple[Any, ...] = ()  #: [r, o] biases of each next layer


def units_in_a_row(network: Any, arrays: dict[str, Any], layer: int) -> Units:
    """`units` of a network whose layers follow one another: one reads what another gives. It says with `incoming` and
    `outgoing` (arrays, layer) how."""
    return Units(
        network.incoming(arrays, layer),
        (network.outgoing(arrays, layer),),
        ((arrays[f"bias_{layer}"], 0.0),),
        next_biases=(arrays[f"bias_{layer + 1}"],),
    )

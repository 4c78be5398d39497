"""The compiled step of an online fully connected network: forward, backward and update in one pass.

`net` is (matrices, biases); `own` the algorithm's arrays; `work` the arrays that live within a step:
activations h and their slopes [layer, unit], sums z and deltas [layer, unit], and for each layer the list of
units that are not zero (`active`, `values`, `count`). Row l of h, slope, active and values belongs to the inputs of
weight layer l.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.engines import elementary
from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.fused import rows
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, in_turn, padded
from perennial.learning.engines.vectors import LANES, fma, load, number, total
from perennial.learning.networks.mlp import LEAK

# Bound by `compile_loop`; named here so that the template reads as a function.
begin = end = show = forward = backward = judge = None


def online(net, own, work, table, order, places, targets, seed, task, first_step, performance):
    """Show the examples `order` of one task, one at a time; fill performance [steps]."""
    for step in range(order.shape[0]):
        example = order[step]
        show(work, table, places, example)
        begin(own)
        forward(net, work)
        performance[step] = judge(work, targets[example])
        backward(net, own, work)
        end(net, own, work, seed, task, first_step + step)


def compile_loop(layout: Layout, hooks: Hooks) -> Callable:
    """The loop of one algorithm for one shape of network."""
    shape = "x".join(map(str, layout.sizes))
    label = f"online_{hooks.name}_{shape}_{layout.activation}_{layout.loss}_{layout.dtype}"
    forwards = [_forward(layout, layer) for layer in range(layout.layers)]
    backwards = [_backward(layout, hooks, layer) for layer in reversed(range(layout.layers))]
    return specialise(
        online,
        label,
        begin=hooks.begin,
        end=hooks.end,
        show=_show(layout, hooks.dense),
        judge=_judge(layout),
        forward=in_turn(forwards),
        backward=in_turn(backwards),
    )


@cache
def _show(layout: Layout, dense: bool) -> Callable:
    """Put an example's inputs in place; `table` and `places` as `trainer.py` makes them."""
    inputs, zero = layout.sizes[0], layout.number(0)
    all_read = dense or layout.leads[0] == 1  # the zeros too

    @njit(**INNER)
    def show_all(work, table, places, example):
        h = work[0]
        for i in range(table.shape[1]):
            h[0, i] = table[example, i]

    @njit(**INNER)
    def show_sparse(work, table, places, example):
        start, column, value = table
        h, _slope, _z, _delta, active, values, count = work
        if all_read:
            for i in range(inputs):
                h[0, i] = zero
        n = 0
        for k in range(start[example], start[example + 1]):
            j = places[column[k]]
            active[0, n], values[0, n] = j, value[k]
            h[0, j] = value[k]
            n += 1
        count[0] = n

    return show_sparse if layout.skips[0] else show_all


@cache
def _forward(layout: Layout, layer: int) -> Callable:
    """z = b + sum of the rows of active inputs; then the activation, unless it is the last layer."""
    lead, skip, outputs, at = (
        layout.leads[layer],
        layout.skips[layer],
        layout.sizes[layer + 1],
        layer * layout.width,
    )
    zero, add, activate = layout.number(0), rows.add(layout, layer), _activate(layout, layer)
    length = (
        layout.lengths[0] if layer == 0 else padded(layout.sizes[layer])
    )  # of what is multiplied, where that is done

    @njit(**INNER)
    def sum_rows(w, b, work):
        h, z, active, values, count = work[0], work[2], work[4], work[5], work[6]
        for i in range(lead):
            z[layer, i] = b[i]
        add(z, at, w, active[layer], values[layer] if skip else h[layer], count[layer])

    @njit(**INNER)
    def dot_rows(w, b, work):
        h, z = work[0], work[2]
        for o in range(outputs):
            s = number(load(h, at), zero)
            for i in range(0, length, LANES):
                s = fma(load(w, o * length + i), load(h, at + i), s)
            z[layer, o] = b[o] + total(s)

    sums = dot_rows if lead == 1 or (layout.turned and layer == 0) else sum_rows

    @njit(**INNER)
    def forward_layer(net, work):
        sums(net[0][layer], net[1][layer], work)
        activate(work)

    return forward_layer


@cache
def _activate(layout: Layout, layer: int) -> Callable:
    """Activations, slopes and the list of active units of the layer above; nothing after the last layer."""
    units, function, zero = layout.sizes[layer + 1], _activation(layout), layout.number(0)
    above = layer + 1

    @njit(**INNER)
    def nothing(work):
        return

    @njit(**INNER)
    def all_units(work):
        h, slope, z = work[0], work[1], work[2]
        for i in range(units):
            h[above, i], slope[above, i] = function(z[layer, i])

    @njit(**INNER)
    def active_units(work):
        h, slope, z, _delta, active, values, count = work
        n = 0
        for i in range(units):
            h[above, i], slope[above, i] = function(z[layer, i])
            active[above, n], values[above, n] = i, h[above, i]
            n += h[above, i] > zero  # no branch to mispredict
        count[above] = n

    if layer == layout.layers - 1:
        return nothing
    return active_units if layout.skips[above] else all_units


def _backward(layout: Layout, hooks: Hooks, layer: int) -> Callable:
    """Deltas of the layer below, from the old weights, and the update of this layer, row by row."""
    row, bias, dense = hooks.row[layer], hooks.bias[layer], hooks.dense
    inputs, width, zero = layout.sizes[layer], layout.width, layout.number(0)
    every, outputs = dense or not layout.skips[layer], layout.sizes[layer + 1]

    @njit(**INNER)
    def backward_layer(net, own, work):
        h, slope, _z, delta, active, _values, count = work
        if layer > 0 and not every:
            for i in range(width):
                delta[layer - 1, i] = zero
        for k in range(inputs if every else count[layer]):
            j = k if every else active[layer, k]
            s = row(net, own, j, h[layer, j], delta)
            if layer > 0:
                delta[layer - 1, j] = s * slope[layer, j]
        bias(net, own, delta)

    @njit(**INNER)
    def backward_turned(net, own, work):
        h, delta = work[0], work[3]
        for o in range(outputs):
            row(net, own, o, delta[0, o], h)
        bias(net, own, delta)

    return backward_turned if layout.turned and layer == 0 else backward_layer


@cache
def _judge(layout: Layout) -> Callable:
    """Performance before the update, and the delta of the output layer (the gradient of the loss)."""
    layer, outputs, lead = layout.layers - 1, layout.sizes[-1], layout.leads[-1]
    zero, one, two, at = *map(layout.number, (0, 1, 2)), layer * layout.width

    @njit(**INNER)
    def squared_error(work, target):
        z, delta = work[2], work[3]
        error = z[layer, 0] - target
        delta[layer, 0] = two * error
        return error * error

    @njit(**INNER)
    def cross_entropy(work, target):
        z, delta = work[2], work[3]
        best = 0
        for i in range(1, outputs):
            if z[layer, i] > z[layer, best]:
                best = i
        for i in range(outputs):
            delta[layer, i] = elementary.exp(z[layer, i] - z[layer, best])
        s = number(load(delta, at), zero)
        for i in range(0, lead, LANES):
            s = s + load(delta, at + i)
        share = one / total(s)
        for i in range(outputs):
            delta[layer, i] *= share
        delta[layer, target] -= one
        return 1.0 if best == target else 0.0

    return {"squared_error": squared_error, "cross_entropy": cross_entropy}[layout.loss]


@cache
def _activation(layout: Layout) -> Callable:
    """z -> (activation, slope)."""
    zero, one, leak = (layout.number(n) for n in (0, 1, LEAK))

    @njit(**INNER)
    def relu(z):
        return (z, one) if z > zero else (zero, zero)

    @njit(**INNER)
    def leaky_relu(z):
        return (z, one) if z > zero else (leak * z, leak)

    @njit(**INNER)
    def tanh(z):
        t = elementary.tanh(z)
        return t, one - t * t

    @njit(**INNER)
    def sigmoid(z):
        s = one / (one + elementary.exp(-z))
        return s, s * (one - s)

    @njit(**INNER)
    def elu(z):
        if z > zero:
            return z, one
        e = elementary.expm1(z)
        return e, e + one

    @njit(**INNER)
    def swish(z):
        s = one / (one + elementary.exp(-z))
        return z * s, s + z * s * (one - s)

    known = {f.__name__: f for f in (relu, leaky_relu, tanh, sigmoid, elu, swish)}
    return known[layout.activation]


def workspace(layout: Layout) -> tuple[Any, ...]:
    """Fresh arrays for the loop: h, slope, z, delta, active, values, count. Where none are skipped, all are active."""
    shape = (layout.layers + 1, layout.width)
    h, slope, z, delta, values = (np.zeros(shape, layout.dtype) for _ in range(5))
    active = np.tile(np.arange(layout.width), (shape[0], 1))
    return h, slope, z, delta, active, values, np.array(layout.sizes)

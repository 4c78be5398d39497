"""The compiled step of eight runs: forward, backward and update of a linear map or of one small hidden layer.

Of eight runs side by side: `w` the weights, `own` the algorithm's arrays, `x` [i] and `h` [unit]. Order of
sums and rounding are those of `perennial.learning.engines.fused.loop`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial.learning.engines.compiling import INNER, specialise
from perennial.learning.engines.elementary import exp, expm1, tanh
from perennial.learning.engines.lanes.layout import Hooks, Layout
from perennial.learning.engines.lanes.sums import products
from perennial.learning.engines.vectors import LANES, item, load, number, store, where, with_item
from perennial.learning.networks.mlp import LEAK

CHUNK = 128  # steps whose data are brought side by side at once

# Bound by `compile_loop`; named here so that the template reads as a function.
begin = end = learn = show = None


def online(w, own, work, still, moving, words, targets, orders, seeds, task, first_step, performance):
    """Show each run its own examples of one task; fill performance [r, steps].

    `words` [r, row] has the inputs of a row of the run's table as bits, `targets` [r, row] its target, `orders`,
    a tuple over runs, the rows that are shown. Inputs `still` are the same in all rows, [i, r] side by side; `moving`
    are not.
    """
    x, h, bits, wanted, errors = work
    runs, steps = performance.shape
    for i in range(still.shape[0]):
        x[i] = still[i]
    for chunk in range(0, steps, CHUNK):
        length = min(CHUNK, steps - chunk)
        for r in range(LANES):
            order = orders[r]
            for t in range(length):
                row = order[chunk + t]
                bits[t * LANES + r], wanted[t * LANES + r] = words[r, row], targets[r, row]
        for t in range(length):
            show(bits, t, moving, x)
            begin(own)
            learn(w, own, x, h, wanted, t, errors)
            end(own, w, h, seeds, task, first_step + chunk + t)
        for r in range(runs):
            for t in range(length):
                performance[r, chunk + t] = errors[t * LANES + r]


def compile_loop(layout: Layout, hooks: Hooks) -> Callable:
    """The loop of one algorithm for one shape of network."""
    shape = "x".join(map(str, layout.sizes))
    label = f"lanes_{hooks.name}_{shape}_{layout.activation}_{layout.dtype}"
    learns = _learn(layout, hooks) if layout.hidden else _learn_linear(layout, hooks)
    functions = {"begin": hooks.begin, "end": hooks.end, "learn": learns, "show": _show}
    return specialise(online, label, **functions)


@njit(**INNER)
def _show(bits, t, moving, x):
    """Put the inputs of step t in place."""
    word = load(bits, t * LANES)
    for k in range(moving.shape[0]):
        i = moving[k]
        store(x, i * LANES, (word >> np.uint32(i)) & np.uint32(1))


def _learn(layout: Layout, hooks: Hooks) -> Callable:
    """The step of a network with a hidden layer.

    What passes between its parts stays in registers, as tuples over units: by way of memory it would be late.
    """
    inputs, units, _ = layout.sizes
    biases, out, out_bias = layout.start(0, True), layout.start(1), layout.start(1, True)
    incoming, outgoing, activate, move = (
        products(inputs, units),
        products(units, 1),
        activation(layout),
        hooks.move,
    )

    @njit(**INNER)
    def learn(w, own, x, h, wanted, t, errors):
        active = delta = incoming(w, 0, biases, x)
        for j in range(units):  # delta holds the slopes until it is known
            a, slope = activate(item(active, j))
            active, delta = with_item(active, j, a), with_item(delta, j, slope)
        error = outgoing(w, out, out_bias, active)[0] - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        above = 2.0 * error
        for j in range(units):
            at = j * LANES
            delta = with_item(delta, j, load(w, out + at) * above * item(delta, j))
            move(own, w, out + at, item(active, j), above, False)
            store(h, at, item(active, j))
        move(own, w, out_bias, number(above, 1.0), above, False)
        for i in range(inputs):
            for j in range(units):
                move(own, w, (i * units + j) * LANES, item(delta, j), load(x, i * LANES), True)
        for j in range(units):
            move(own, w, biases + j * LANES, number(above, 1.0), item(delta, j), False)

    return learn


def _learn_linear(layout: Layout, hooks: Hooks) -> Callable:
    """The step of a linear map."""
    inputs, bias, sums, move = (
        layout.sizes[0],
        layout.start(0, True),
        products(layout.sizes[0], 1),
        hooks.move,
    )

    @njit(**INNER)
    def learn(w, own, x, h, wanted, t, errors):
        error = sums(w, 0, bias, x)[0] - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        above = 2.0 * error
        for i in range(inputs):
            move(own, w, i * LANES, above, load(x, i * LANES), True)
        move(own, w, bias, number(above, 1.0), above, False)

    return learn


def activation(layout: Layout) -> Callable:
    """z -> (activation, slope), of numbers or of vectors."""

    @njit(**INNER)
    def relu(z):
        zero = number(z, 0)
        return where(z > zero, z, zero), where(z > zero, number(z, 1), zero)

    @njit(**INNER)
    def leaky_relu(z):
        zero, leak = number(z, 0), number(z, LEAK)
        return where(z > zero, z, leak * z), where(z > zero, number(z, 1), leak)

    @njit(**INNER)
    def tanh_(z):
        t, one = tanh(z), number(z, 1)
        return t, one - t * t

    @njit(**INNER)
    def sigmoid(z):
        one = number(z, 1)
        s = one / (one + exp(-z))
        return s, s * (one - s)

    @njit(**INNER)
    def elu(z):
        zero, one, e = number(z, 0), number(z, 1), expm1(z)
        return where(z > zero, z, e), where(z > zero, one, e + one)

    @njit(**INNER)
    def swish(z):
        one = number(z, 1)
        s = one / (one + exp(-z))
        return z * s, s + z * s * (one - s)

    known = {f.__name__.rstrip("_"): f for f in (relu, leaky_relu, tanh_, sigmoid, elu, swish)}
    return known[layout.activation]


def workspace(layout: Layout) -> tuple[np.ndarray, ...]:
    """Fresh arrays for the loop: x, h, and of a chunk of steps bits, targets and errors."""
    x, h = np.zeros(layout.sizes[0] * LANES, layout.dtype), np.zeros(layout.hidden * LANES, layout.dtype)
    bits, wanted, errors = (np.zeros(CHUNK * LANES, kind) for kind in ("u4", layout.dtype, layout.dtype))
    return x, h, bits, wanted, errors

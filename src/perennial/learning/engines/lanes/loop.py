"""The compiled step of eight runs: forward, backward and update of a linear map or of one small hidden layer.

Of eight runs side by side: `w` the weights, `own` the algorithm's arrays, `x` [i], `h` and `delta` [unit]. Order of
sums and rounding are those of `perennial.learning.engines.fused.loop`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial.learning.engines.compiling import EXACT, specialise
from perennial.learning.engines.elementary import exp, expm1, tanh
from perennial.learning.engines.lanes.layout import Hooks, Layout
from perennial.learning.engines.vectors import LANES, absolute, fma, load, number, store, where
from perennial.learning.networks.mlp import LEAK

CHUNK = 128  # steps whose data are brought side by side at once

# Bound by `compile_loop`; named here so that the template reads as a function.
begin = end = learn = show = None


def online(w, own, work, still, moving, words, targets, orders, seeds, task, first_step, performance):
    """Show each run its own examples of one task; fill performance [r, steps].

    `words` [r, row] has the inputs of a row of the run's table as bits, `targets` [r, row] its target, `orders`
    [r, steps] the rows that are shown. Inputs `still` are the same in all rows, [i, r] side by side; `moving` are not.
    """
    x, h, delta, bits, wanted, errors = work
    runs, steps = performance.shape
    for i in range(still.shape[0]):
        x[i] = still[i]
    for chunk in range(0, steps, CHUNK):
        length = min(CHUNK, steps - chunk)
        for r in range(LANES):
            for t in range(length):
                row = orders[r, chunk + t]
                bits[t * LANES + r], wanted[t * LANES + r] = words[r, row], targets[r, row]
        for t in range(length):
            show(bits, t, moving, x)
            begin(own)
            learn(w, own, x, h, delta, wanted, t, errors)
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
    return specialise(online, label, exact=True, **functions)


@njit(**EXACT)
def _show(bits, t, moving, x):
    """Put the inputs of step t in place."""
    word = load(bits, t * LANES)
    for k in range(moving.shape[0]):
        i = moving[k]
        store(x, i * LANES, (word >> np.uint32(i)) & np.uint32(1))


def dot(terms: int) -> Callable:
    """A compiled sum over i < terms of a[i] b[i], of flat arrays from places on, in the order of `vectors`.

    Of more than eight terms the b must be 0 or 1: products with them are exact, so rounding once changes nothing.
    """

    def part(first: int, last: int) -> Callable:
        if first == last:
            return njit(**EXACT)(lambda a, p, b, q: load(a, p + last * LANES) * load(b, q + last * LANES))
        before = part(first, last - LANES)
        return njit(**EXACT)(
            lambda a, p, b, q: fma(load(a, p + last * LANES), load(b, q + last * LANES), before(a, p, b, q))
        )

    return _in_halves(
        terms, part, lambda x, y: njit(**EXACT)(lambda a, p, b, q: x(a, p, b, q) + y(a, p, b, q))
    )


def summed(terms: int) -> Callable:
    """A compiled sum over i < terms of the magnitude of a[i], in the same order."""

    def part(first: int, last: int) -> Callable:
        if first == last:
            return njit(**EXACT)(lambda a, p: absolute(load(a, p + last * LANES)))
        before = part(first, last - LANES)
        return njit(**EXACT)(lambda a, p: before(a, p) + absolute(load(a, p + last * LANES)))

    return _in_halves(terms, part, lambda x, y: njit(**EXACT)(lambda a, p: x(a, p) + y(a, p)))


def _in_halves(terms: int, part: Callable, added: Callable, first: int = 0, stride: int = 1) -> Callable:
    """The sum of the terms first, first + stride, ...: `part(first, last)` of every eighth, or `added` halves."""
    if stride == LANES:
        return part(first, range(first, terms, LANES)[-1])
    left = _in_halves(terms, part, added, first, 2 * stride)
    if first + stride >= terms:
        return left
    return added(left, _in_halves(terms, part, added, first + stride, 2 * stride))


def _learn(layout: Layout, hooks: Hooks) -> Callable:
    """The step of a network with a hidden layer."""
    inputs, units, _ = layout.sizes
    biases, out, out_bias = layout.start(0, True), layout.start(1), layout.start(1, True)
    over_inputs, over_units, activate, move = (
        dot(inputs),
        dot(units),
        activation(layout.activation),
        hooks.move,
    )

    @njit(**EXACT)
    def learn(w, own, x, h, delta, wanted, t, errors):
        for j in range(units):  # delta holds the slopes until it is known
            z = load(w, biases + j * LANES) + over_inputs(w, j * inputs * LANES, x, 0)
            active, slope = activate(z)
            store(h, j * LANES, active)
            store(delta, j * LANES, slope)
        error = load(w, out_bias) + over_units(h, 0, w, out) - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        above = 2.0 * error
        for j in range(units):
            store(delta, j * LANES, load(w, out + j * LANES) * above * load(delta, j * LANES))
            move(own, w, out + j * LANES, load(h, j * LANES), above)
        move(own, w, out_bias, number(above, 1.0), above)
        for j in range(units):
            d = load(delta, j * LANES)
            for i in range(inputs):
                move(own, w, (j * inputs + i) * LANES, d, load(x, i * LANES))
            move(own, w, biases + j * LANES, number(d, 1.0), d)

    return learn


def _learn_linear(layout: Layout, hooks: Hooks) -> Callable:
    """The step of a linear map."""
    inputs, bias, over_inputs, move = layout.sizes[0], layout.start(0, True), dot(layout.sizes[0]), hooks.move

    @njit(**EXACT)
    def learn(w, own, x, h, delta, wanted, t, errors):
        error = load(w, bias) + over_inputs(w, 0, x, 0) - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        above = 2.0 * error
        for i in range(inputs):
            move(own, w, i * LANES, above, load(x, i * LANES))
        move(own, w, bias, number(above, 1.0), above)

    return learn


def activation(name: str) -> Callable:
    """z -> (activation, slope), of numbers or of vectors."""

    @njit(**EXACT)
    def relu(z):
        zero = number(z, 0)
        return where(z > zero, z, zero), where(z > zero, number(z, 1), zero)

    @njit(**EXACT)
    def leaky_relu(z):
        zero, leak = number(z, 0), number(z, LEAK)
        return where(z > zero, z, leak * z), where(z > zero, number(z, 1), leak)

    @njit(**EXACT)
    def tanh_(z):
        t, one = tanh(z), number(z, 1)
        return t, one - t * t

    @njit(**EXACT)
    def sigmoid(z):
        one = number(z, 1)
        s = one / (one + exp(-z))
        return s, s * (one - s)

    @njit(**EXACT)
    def elu(z):
        zero, one, e = number(z, 0), number(z, 1), expm1(z)
        return where(z > zero, z, e), where(z > zero, one, e + one)

    @njit(**EXACT)
    def swish(z):
        one = number(z, 1)
        s = one / (one + exp(-z))
        return z * s, s + z * s * (one - s)

    known = {f.__name__.rstrip("_"): f for f in (relu, leaky_relu, tanh_, sigmoid, elu, swish)}
    return known[name]


def workspace(layout: Layout) -> tuple[np.ndarray, ...]:
    """Fresh arrays for the loop: x, h, delta, and of a chunk of steps bits, targets and errors."""
    x, h, delta = (np.zeros(n * LANES, layout.dtype) for n in (layout.sizes[0], layout.hidden, layout.hidden))
    bits, wanted, errors = (np.zeros(CHUNK * LANES, kind) for kind in ("u4", layout.dtype, layout.dtype))
    return x, h, delta, bits, wanted, errors

"""The compiled step of eight runs: forward, backward and update of a linear map or of one small hidden layer.

Of eight runs side by side: `w` the weights, `own` the algorithm's arrays, `x` [i] and `h` [unit]. Order of
sums and rounding are those of `perennial.learning.engines.fused.loop`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial.learning.engines.compiling import INNER, in_turn, specialise
from perennial.learning.engines.elementary import exp, expm1, tanh
from perennial.learning.engines.lanes.layout import Hooks, Layout
from perennial.learning.engines.lanes.sums import gathered, products
from perennial.learning.engines.vectors import LANES, load, number, store, where
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

    def of_unit(j: int) -> tuple[Callable, ...]:
        at = j * LANES
        active = njit(**INNER)(lambda z: activate(z[j])[0])
        slope = njit(**INNER)(lambda z: activate(z[j])[1])
        delta = njit(**INNER)(lambda w, above, slopes: load(w, out + at) * above * slopes[j])
        upper = njit(**INNER)(lambda own, w, h, above: move(own, w, out + at, h[j], above, False))
        kept = njit(**INNER)(lambda h, active: store(h, at, active[j]))
        return active, slope, delta, upper, kept

    parts = list(zip(*map(of_unit, range(units)), strict=True))
    actives, slopes, deltas = map(gathered, parts[:3])
    move_upper, keep = map(in_turn, parts[3:])
    move_lower = _lower(hooks.move, inputs, units, biases)

    @njit(**INNER)
    def learn(w, own, x, h, wanted, t, errors):
        z = incoming(w, 0, biases, x)
        active = actives(z)
        error = outgoing(w, out, out_bias, active)[0] - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        above = 2.0 * error
        delta = deltas(w, above, slopes(z))
        move_upper(own, w, active, above)
        move(own, w, out_bias, number(above, 1.0), above, False)
        move_lower(own, w, x, delta)
        keep(h, active)

    return learn


def _learn_linear(layout: Layout, hooks: Hooks) -> Callable:
    """The step of a linear map."""
    inputs, bias = layout.sizes[0], layout.start(0, True)
    sums, move_all = products(inputs, 1), _lower(hooks.move, inputs, 1, bias)

    @njit(**INNER)
    def learn(w, own, x, h, wanted, t, errors):
        error = sums(w, 0, bias, x)[0] - load(wanted, t * LANES)
        store(errors, t * LANES, error * error)
        move_all(own, w, x, (2.0 * error,))

    return learn


def _lower(move: Callable, inputs: int, units: int, biases: int) -> Callable:
    """move_lower(own, w, x, delta): move the weights of the inputs, and the biases."""

    def column(j: int) -> Callable:
        return njit(**INNER)(lambda own, w, at, d, x: move(own, w, at + j * LANES, d[j], x, True))

    def bias(j: int) -> Callable:
        return njit(**INNER)(
            lambda own, w, d: move(own, w, biases + j * LANES, number(d[j], 1.0), d[j], False)
        )

    row, bias_row = in_turn([column(j) for j in range(units)]), in_turn([bias(j) for j in range(units)])

    @njit(**INNER)
    def move_lower(own, w, x, delta):
        for i in range(inputs):
            row(own, w, i * units * LANES, delta, load(x, i * LANES))
        bias_row(own, w, delta)

    return move_lower


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

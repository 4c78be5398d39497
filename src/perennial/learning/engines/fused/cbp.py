"""Continual backpropagation, compiled: running sums of |w| are kept up to date inside the update.

Utilities need the mean |w| of every unit's incoming and outgoing weights at every step. Re-reading all weights
would cost as much as the update; instead the update, which has both the old and the new weight at hand, moves
the sums along. Rounding lets them drift, so they are summed anew every REFRESH steps (at fixed steps of a task:
a resumed run does the same). Adam costs far more than the sums: on Adam they are taken anew at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit

from perennial import streams
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines import counting
from perennial.learning.engines.fused import aged_adam, backprop, renewal
from perennial.learning.engines.fused.layout import (
    CUT,
    INNER,
    Hooks,
    Layout,
    in_turn,
    nothing,
    nothing_more,
    of_part,
)
from perennial.learning.engines.fused.moments import corrections
from perennial.learning.engines.fused.renewal import (
    BERNOULLI,
    INCOMING,
    KIND,
    MATURITY,
    MEAN,
    OF_WIDTH,
    OUTGOING,
    SCORE,
    UTILITY,
)  # fmt: skip
from perennial.learning.engines.fused.rows import dot, less
from perennial.learning.engines.fused.utilities import KINDS, RANDOM, utility
from perennial.streams.compiled import fill_uniforms

REPLACEMENT, NO_COIN = streams.REPLACEMENT, counting.NO_COIN
REFRESH = CUT
KNOWS = {
    "utility": KINDS,
    "count": ("eligible", "layer_width"),
    "utility_average": ("corrected",),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd", "adam"),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}
DESCENT = 9  # place of the gradient step's own arrays


def unsupported(settings: Settings) -> str | None:
    """All but weight decay without Adam, and momentum."""
    if settings.momentum:
        return backprop.unsupported(settings)
    if settings.weight_decay and settings.optimiser == "sgd":
        return "continual backpropagation with weight decay has no compiled loop"
    return None


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(rates, choices, [replacement rate], bias corrections, units, ages, saved, chosen units, buffer, descent)."""
    hidden = layout.layers - 1
    units = np.zeros((5, hidden, layout.width), layout.dtype)
    ages, saved = np.zeros((hidden, layout.width), np.int64), np.zeros(hidden)
    for layer, own in enumerate(state.get("algorithm", {}).values()):
        n = layout.sizes[layer + 1]
        units[UTILITY, layer, :n], units[MEAN, layer, :n] = own["utility"][run], own["mean_feature"][run]
        ages[layer, :n], saved[layer] = own["age"][run], own["saved"][run]
    choices = np.array([
        KINDS.index(settings.utility), settings.maturity_threshold, settings.count == "layer_width",
        settings.fraction == "bernoulli", settings.bias_transfer == "on",
    ])  # fmt: skip
    chosen = np.zeros((hidden, layout.width + 1), np.int64)  # [layer, 0] counts, the units follow
    buffer = np.zeros((max(layout.sizes) // streams.GROUP + 1) * streams.GROUP, np.float32)
    rates = np.array([settings.step_size, settings.utility_decay, 1 - settings.utility_decay], layout.dtype)
    table, rate = corrections(settings.utility_decay, layout.dtype), np.array([settings.replacement_rate])
    descent = aged_adam.pack(settings, layout, state, run) if settings.optimiser == "adam" else ()
    return rates, choices, rate, table, units, ages, saved, chosen, buffer, descent


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """Utilities, mean activations, ages and saved fractions."""
    units, ages, saved = own[4], own[5], own[6]
    hidden = {}
    for layer, n in enumerate(layout.sizes[1:-1]):
        hidden[f"hidden_{layer}"] = {
            "utility": units[UTILITY, layer, :n].copy(),
            "mean_feature": units[MEAN, layer, :n].copy(),
            "age": ages[layer, :n].copy(),
            "saved": saved[layer].copy(),
        }
    on_adam = settings.optimiser == "adam"
    optimiser = aged_adam.unpack(settings, layout, own[DESCENT])["optimiser"] if on_adam else {}
    return {"optimiser": optimiser, "algorithm": hidden}


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The gradient step; then test all hidden layers, then renew units in all of them."""
    hidden = range(layout.layers - 1)
    step = _gradient_step(settings, layout)
    refreshes = in_turn([_refresh(layout, n) for n in range(layout.layers)])
    tests = in_turn([_test(layout, n) for n in hidden])
    renewals = in_turn([renewal.renew_layer(layout, n, _forget(settings, layout, n)) for n in hidden])
    every = 1 if settings.optimiser == "adam" else REFRESH

    @njit(**INNER)
    def end(net, own, work, seed, task, step):
        if step % every == 0:
            refreshes(net, own, work, seed, task, step)
        tests(net, own, work, seed, task, step)
        renewals(net, own, work, seed, task, step)

    return replace(step, name=f"cbp_{step.name}", end=end)


def _gradient_step(settings: Settings, layout: Layout) -> Hooks:
    """The update of backpropagation that also moves the sums along, or that of Adam."""
    if settings.optimiser == "adam":
        return of_part(aged_adam.hooks(settings, layout), DESCENT)
    layers = range(layout.layers)
    rows, biases = [_row(layout, n) for n in layers], [backprop.bias(layout, n) for n in layers]
    return Hooks("sgd", rows, biases, nothing, nothing_more)


def _forget(settings: Settings, layout: Layout, layer: int) -> Callable:
    """forget(own, unit): what the gradient step remembers of a renewed unit."""
    if settings.optimiser == "sgd":

        @njit(**INNER)
        def forget_nothing(own, unit):
            return

        return forget_nothing
    forget_moments = aged_adam.forget(layout, layer)

    @njit(**INNER)
    def forget(own, unit):
        forget_moments(own[DESCENT], unit)

    return forget


def _row(layout: Layout, layer: int) -> Callable:
    """Row j of layer l holds the outgoing weights of unit j of hidden layer l - 1, and one incoming weight of
    each unit of hidden layer l; a turned first layer holds the incoming weights of unit j."""
    row_dot, zero, turned = dot(layout, layer), layout.number(0), layout.turned and layer == 0
    into, out_of = layer < layout.layers - 1, layer > 0

    @njit(**INNER)
    def row(net, own, j, a, b):
        w, c, units = net[0][layer], own[0][0] * a, own[4]
        s, total = row_dot(w, j, b), zero
        for i in range(w.shape[1]):
            t = w[j, i]
            new = less(t, c * b[layer, i])
            w[j, i] = new
            total += abs(new)
            if into and not turned:
                units[INCOMING, layer, i] += abs(new) - abs(t)
        if turned and into:
            units[INCOMING, layer, j] = total
        if out_of:
            units[OUTGOING, layer - 1, j] = total
        return s

    return row


def _refresh(layout: Layout, layer: int) -> Callable:
    """Sum |w| of this layer anew."""
    rows, columns, turned = layout.sizes[layer], layout.sizes[layer + 1], layout.turned and layer == 0
    into, out_of, zero = layer < layout.layers - 1, layer > 0, layout.number(0)

    @njit(**INNER)
    def refresh(net, own, work, seed, task, step):
        w, units = net[0][layer], own[4]
        if into:
            units[INCOMING, layer, :] = 0
        if out_of:
            units[OUTGOING, layer - 1, :] = 0
        for j in range(columns if turned else rows):
            total = zero
            for i in range(w.shape[1]):  # pads are zero
                total += abs(w[j, i])
                if into and not turned:
                    units[INCOMING, layer, i] += abs(w[j, i])
            if into and turned:
                units[INCOMING, layer, j] = total
            if out_of:
                units[OUTGOING, layer - 1, j] = total

    return refresh


def _test(layout: Layout, layer: int) -> Callable:
    """Move ages, means and utilities of one hidden layer; list the units to renew, least useful first."""
    inputs, _width, outputs = (layout.number(n) for n in layout.sizes[layer : layer + 3])
    n, above, choose, of_unit = layout.sizes[layer + 1], layer + 1, _choose(layout, layer), utility(layout)
    infinity, dtype = layout.number(np.inf), np.dtype(layout.dtype).type

    @njit(**INNER)
    def test(net, own, work, seed, task, step):
        h, choices, table, units, ages, draws = work[0], own[1], own[3], own[4], own[5], own[8]
        eta, gain, kind, mature = own[0][1], own[0][2], choices[KIND], 0
        if kind == RANDOM:
            fill_uniforms(draws, REPLACEMENT, seed, task, step, layer)  # number 0 is the coin
        for i in range(n):
            ages[layer, i] += 1
            correction = table[min(ages[layer, i], table.shape[0] - 1)]
            units[MEAN, layer, i] = eta * units[MEAN, layer, i] + gain * h[above, i]
            mean = units[MEAN, layer, i] / correction
            incoming, outgoing = units[INCOMING, layer, i] / inputs, units[OUTGOING, layer, i] / outputs
            y = of_unit(kind, h[above, i], mean, outgoing, incoming)
            units[UTILITY, layer, i] = eta * units[UTILITY, layer, i] + gain * y
            ripe = ages[layer, i] > choices[MATURITY]
            mature += ripe
            score = dtype(draws[i + 1]) if kind == RANDOM else units[UTILITY, layer, i] / correction
            units[SCORE, layer, i] = score if ripe else infinity
        choose(own, mature, seed, task, step)

    return test


def _choose(layout: Layout, layer: int) -> Callable:
    """List the units of one hidden layer that are due, by their scores."""
    n, infinity, number_due, toss = (
        layout.sizes[layer + 1],
        layout.number(np.inf),
        counting.inlined,
        counting.coin,
    )

    @njit(**INNER)
    def choose(own, mature, seed, task, step):
        choices, units, saved, chosen = own[1], own[4], own[6], own[7]
        coin = float(toss(seed, task, step, layer)) if choices[BERNOULLI] else NO_COIN
        count, saved[layer] = number_due(own[2][0], mature, n, choices[OF_WIDTH], saved[layer], coin)
        chosen[layer, 0] = count
        for k in range(count):
            least = 0
            for i in range(1, n):
                if units[SCORE, layer, i] < units[SCORE, layer, least]:
                    least = i
            units[SCORE, layer, least] = infinity
            chosen[layer, k + 1] = least

    return choose

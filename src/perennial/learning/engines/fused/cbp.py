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
from perennial.learning.engines.fused.backprop import descend
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
    CORRECTION,
    INCOMING,
    KIND,
    MATURITY,
    MEAN,
    OF_WIDTH,
    OUTGOING,
    PLANES,
    SCORE,
    UTILITY,
    place,
)  # fmt: skip
from perennial.learning.engines.fused.rows import access
from perennial.learning.engines.fused.utilities import KINDS, RANDOM, utility
from perennial.learning.engines.vectors import LANES, absolute, fma, load, number, store
from perennial.streams.compiled import fill_uniforms

REPLACEMENT, NO_COIN = streams.REPLACEMENT, counting.NO_COIN
REFRESH = CUT
KNOWS = {
    "utility": KINDS,
    "count": ("eligible", "layer_width"),
    "utility_average": ("corrected",),
    "renewed_moments": ("zero",),
    "renewed_weights": ("layer",),
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
    units = np.zeros((PLANES, hidden, layout.width), layout.dtype)
    units[CORRECTION] = 1
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
    length, stride, take, put, add_up = access(layout, layer)
    zero, turned, at = layout.number(0), layout.turned and layer == 0, layer * layout.width
    into, out_of, sums = layer < layout.layers - 1, layer > 0, place(layout, INCOMING, layer)
    moves_sums = into and not turned

    @njit(**INNER)
    def row(net, own, j, a, b):
        w, c, units, first = net[0][layer], own[0][0] * a, own[4], j * length
        s = size = number(take(w, first), zero)
        for i in range(0, length, stride):
            old, d = take(w, first + i), take(b, at + i)
            s = fma(old, d, s)
            new = descend(old, d, c)
            put(w, first + i, new)
            size = size + absolute(new)
            if moves_sums:
                put(units, sums + i, take(units, sums + i) + (absolute(new) - absolute(old)))
        if turned and into:
            units[INCOMING, layer, j] = add_up(size)
        if out_of:
            units[OUTGOING, layer - 1, j] = add_up(size)
        return add_up(s)

    return row


def _refresh(layout: Layout, layer: int) -> Callable:
    """Sum |w| of this layer anew."""
    length, stride, take, put, add_up = access(layout, layer)
    turned, zero, sums = layout.turned and layer == 0, layout.number(0), place(layout, INCOMING, layer)
    into, out_of, count = layer < layout.layers - 1, layer > 0, layout.sizes[layer + turned]
    moves_sums = into and not turned

    @njit(**INNER)
    def refresh(net, own, work, seed, task, step):
        w, units = net[0][layer], own[4]
        if moves_sums:
            units[INCOMING, layer, :] = 0
        for j in range(count):
            size = number(take(w, j * length), zero)
            for i in range(0, length, stride):  # pads are zero
                sizes = absolute(take(w, j * length + i))
                size = size + sizes
                if moves_sums:
                    put(units, sums + i, take(units, sums + i) + sizes)
            if into and turned:
                units[INCOMING, layer, j] = add_up(size)
            if out_of:
                units[OUTGOING, layer - 1, j] = add_up(size)

    return refresh


def _test(layout: Layout, layer: int) -> Callable:
    """Move ages, means and utilities of one hidden layer, eight units at a time; then choose those to renew."""
    n, lead, choose, of_unit = (
        layout.sizes[layer + 1],
        layout.leads[layer],
        _choose(layout, layer),
        utility(layout),
    )
    share_in, share_out = (layout.number(1 / layout.sizes[layer + k]) for k in (0, 2))
    above = (layer + 1) * layout.width
    means, utilities, incomings, outgoings, correcteds = (
        place(layout, plane, layer) for plane in (MEAN, UTILITY, INCOMING, OUTGOING, CORRECTION)
    )

    @njit(**INNER)
    def test(net, own, work, seed, task, step):
        h, choices, table, units, ages = work[0], own[1], own[3], own[4], own[5]
        eta, gain, kind, mature = own[0][1], own[0][2], choices[KIND], 0
        for i in range(n):
            ages[layer, i] += 1
            mature += ages[layer, i] > choices[MATURITY]
            units[CORRECTION, layer, i] = table[min(ages[layer, i], table.shape[0] - 1)]
        for i in range(0, lead, LANES):  # pads have a correction of 1, and their utility is never read
            values = load(h, above + i)
            mean = fma(eta, load(units, means + i), gain * values)
            store(units, means + i, mean)
            corrected = mean / load(units, correcteds + i)
            outgoing, incoming = share_out * load(units, outgoings + i), share_in * load(units, incomings + i)
            y = of_unit(kind, values, corrected, outgoing, incoming)
            store(units, utilities + i, fma(eta, load(units, utilities + i), gain * y))
        choose(own, mature, seed, task, step)

    return test


def _choose(layout: Layout, layer: int) -> Callable:
    """List the units of one hidden layer that are due, least useful first."""
    n, infinity = layout.sizes[layer + 1], layout.number(np.inf)
    number_due, toss, dtype = counting.inlined, counting.coin, np.dtype(layout.dtype).type

    @njit(**INNER)
    def choose(own, mature, seed, task, step):
        choices, units, ages, saved, chosen, draws = own[1], own[4], own[5], own[6], own[7], own[8]
        coin = float(toss(seed, task, step, layer)) if choices[BERNOULLI] else NO_COIN
        count, saved[layer] = number_due(own[2][0], mature, n, choices[OF_WIDTH], saved[layer], coin)
        chosen[layer, 0] = count
        if count == 0:
            return
        by_lot = choices[KIND] == RANDOM
        if by_lot:
            fill_uniforms(draws, REPLACEMENT, seed, task, step, layer)  # number 0 is the coin
        for i in range(n):
            score = dtype(draws[i + 1]) if by_lot else units[UTILITY, layer, i] / units[CORRECTION, layer, i]
            units[SCORE, layer, i] = score if ages[layer, i] > choices[MATURITY] else infinity
        for k in range(count):
            least = 0
            for i in range(1, n):
                if units[SCORE, layer, i] < units[SCORE, layer, least]:
                    least = i
            units[SCORE, layer, least] = infinity
            chosen[layer, k + 1] = least

    return choose

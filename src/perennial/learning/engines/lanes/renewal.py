"""The rare part of continual backpropagation in lanes: choosing units and starting them afresh, one run at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial import streams
from perennial.learning.algorithms._renewal import UNIT_STRIDE
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines import counting
from perennial.learning.engines.lanes.layout import Layout
from perennial.learning.engines.vectors import LANES
from perennial.learning.networks.mlp import bounds
from perennial.streams.compiled import fill_uniforms

REPLACEMENT, NO_COIN = streams.REPLACEMENT, counting.NO_COIN
APART = {"fastmath": False, "nogil": True, "error_model": "numpy"}  # called, not inlined: it is rare


def renew(settings: Settings, layout: Layout) -> Callable:
    """renew(own, w, seeds, task, step): in every run choose the units that are due, and start them afresh."""
    units, dtype, infinity = layout.hidden, np.dtype(layout.dtype).type, np.inf
    by_coin, of_width = settings.fraction == "bernoulli", settings.count == "layer_width"
    number_due, toss, refresh = counting.inlined, counting.coin, _refresh(settings, layout)

    @njit(**APART)
    def all_runs(own, w, seeds, task, step):
        _rates, rate, maturity, table, utilities, _means, ages, saved = own
        scores = np.empty(units, dtype)
        for r in range(LANES):
            mature = 0
            for j in range(units):
                age = ages[j * LANES + r]
                ripe = age > maturity
                mature += ripe
                score = utilities[j * LANES + r] / table[min(age, table.shape[0] - 1)]
                scores[j] = score if ripe else infinity
            coin = float(toss(seeds[r], task, step, 0)) if by_coin else NO_COIN
            count, saved[r] = number_due(rate, mature, units, of_width, saved[r], coin)
            for _ in range(count):
                least = np.argmin(scores)  # of equals the first
                scores[least] = infinity
                refresh(own, w, seeds[r], task, step, r, least)

    return all_runs


def _refresh(settings: Settings, layout: Layout) -> Callable:
    """refresh(own, w, seed, task, step, r, unit): fresh incoming weights of one unit of run r; it gives nothing yet."""
    (inputs, units, _), dtype = layout.sizes, np.dtype(layout.dtype).type
    bound = dtype(bounds(layout.activation, layout.sizes)[0])
    one, two, transfer = dtype(1), dtype(2), settings.bias_transfer == "on"
    biases, out, out_bias = layout.start(0, True), layout.start(1), layout.start(1, True)
    drawn = -(-inputs // streams.GROUP) * streams.GROUP

    @njit(**APART)
    def refresh(own, w, seed, task, step, r, unit):
        _rates, _rate, _maturity, table, utilities, means, ages, _saved = own
        u, at = np.empty(drawn, np.float32), unit * LANES + r
        if transfer:
            w[out_bias + r] += means[at] / table[min(ages[at], table.shape[0] - 1)] * w[out + at]
        fill_uniforms(u, REPLACEMENT, seed, task, step, UNIT_STRIDE * (unit + 1))
        for i in range(inputs):
            w[(i * units + unit) * LANES + r] = (dtype(u[i]) * two - one) * bound
        w[biases + at] = 0
        w[out + at] = 0
        utilities[at] = 0
        means[at] = 0
        ages[at] = 0

    return refresh

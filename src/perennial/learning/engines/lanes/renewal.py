"""The rare part of continual backpropagation in lanes: choosing units and starting them afresh, one run at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from perennial import streams
from perennial.learning.algorithms._renewal import UNIT_STRIDE
from perennial.learning.engines import counting
from perennial.learning.engines.compiling import LOOP
from perennial.learning.engines.lanes.layout import Layout
from perennial.learning.engines.vectors import LANES
from perennial.learning.networks.mlp import bounds
from perennial.streams.compiled import fill_uniforms

REPLACEMENT, NO_COIN = streams.REPLACEMENT, counting.NO_COIN


def renew(layout: Layout, forget: Callable) -> Callable:
    """renew(own, w, seeds, task, step): in every run choose the units that are due, and start them afresh.

    Args:
        forget: (own.descent, unit, r), what the gradient step remembers of a unit.
    """
    units, dtype, infinity = layout.hidden, np.dtype(layout.dtype).type, np.inf
    number_due, toss, refresh = counting.inlined, counting.coin, _refresh(layout, forget)

    @njit(**LOOP)
    def all_runs(own, w, seeds, task, step):
        scores = np.empty(units, dtype)
        for r in range(LANES):
            mature = 0
            for j in range(units):
                age = own.age[j * LANES + r]
                ripe = age > own.maturity
                mature += ripe
                score = own.utility[j * LANES + r] / own.table[min(age, own.table.shape[0] - 1)]
                scores[j] = score if ripe else infinity
            coin = float(toss(seeds[r], task, step, 0)) if own.by_coin else NO_COIN
            count, own.saved[r] = number_due(own.rate, mature, units, own.of_width, own.saved[r], coin)
            for _ in range(count):
                least = np.argmin(scores)  # of equals the first
                scores[least] = infinity
                refresh(own, w, seeds[r], task, step, r, least)

    return all_runs


def _refresh(layout: Layout, forget: Callable) -> Callable:
    """refresh(own, w, seed, task, step, r, unit): fresh incoming weights of one unit of run r; it gives nothing yet."""
    (inputs, units, _), dtype = layout.sizes, np.dtype(layout.dtype).type
    bound, one, two = map(layout.number, (bounds(layout.activation, layout.sizes)[0], 1, 2))
    biases, out, out_bias = layout.start(0, True), layout.start(1), layout.start(1, True)
    drawn = -(-inputs // streams.GROUP) * streams.GROUP

    @njit(**LOOP)
    def refresh(own, w, seed, task, step, r, unit):
        u, at = np.empty(drawn, np.float32), unit * LANES + r
        if own.transfer:
            correction = own.table[min(own.age[at], own.table.shape[0] - 1)]
            w[out_bias + r] += own.mean_feature[at] / correction * w[out + at]
        fill_uniforms(u, REPLACEMENT, seed, task, step, UNIT_STRIDE * (unit + 1))
        for i in range(inputs):
            w[(i * units + unit) * LANES + r] = (dtype(u[i]) * two - one) * bound
        w[biases + at] = 0
        w[out + at] = 0
        own.utility[at] = 0
        own.mean_feature[at] = 0
        own.age[at] = 0
        forget(own.descent, unit, r)

    return refresh

"""How many units of a layer are renewed now, compiled: `perennial.learning.algorithms._renewal.number_due`."""

from __future__ import annotations

from numba import njit

from perennial import streams
from perennial.learning.engines.compiling import INNER
from perennial.streams.compiled import block, uniform

REPLACEMENT = streams.REPLACEMENT
NO_COIN = -1.0


def number_due(rate, mature, width, of_width, saved, coin):
    """(number, fraction that is saved up); a template, inlined by fused loops and compiled by the pooled engine.

    Args:
        rate: replacement rate, a share of the `mature` units, or of the `width` if there are any (`of_width`).
        saved: fraction of a unit that is saved up; not used with a coin.
        coin: uniform: a fraction of a unit is renewed with that probability. NO_COIN: it is saved up.
    """
    due = rate * (width if of_width and mature > 0 else mature)
    if coin >= 0:
        number = int(due) if due >= 1 else int(coin < due)
        return min(number, mature), saved
    total = saved + due
    number = int(total)
    return min(number, mature), total - number


inlined = njit(**INNER)(number_due)


@njit(**INNER)
def coin(seed, task, step, layer):
    """Number 0 of a layer's replacement stream."""
    return uniform(block(REPLACEMENT, seed, task, step, layer, 0)[0])

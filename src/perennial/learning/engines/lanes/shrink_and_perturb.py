"""Shrink and perturb with eight runs in the lanes: the descent, then noise, drawn for eight seeds at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numba import from_dtype, njit

from perennial import streams
from perennial.learning.algorithms.shrink_and_perturb import Settings, descent
from perennial.learning.engines import fast_path
from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.draws import block, box_muller
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.lanes.layout import Hooks, Layout, of_part
from perennial.learning.engines.vectors import LANES, converter, fma, load, store

__all__ = ["KNOWS", "hooks", "pack", "unpack", "unsupported"]

KNOWS = {"noise": ("gaussian",), "optimiser": ("sgd", "adam")}

NOISE, BLOCKS, GROUP = streams.NOISE, streams.LANES, streams.GROUP
DESCENT, PERTURBATION = range(2)  # the two parts of the algorithm's arrays


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(arrays of the descent, (noise_std,))."""
    name, own = descent(settings)
    return fast_path("lanes", name).pack(own, layout, state), layout.numbers(settings.noise_std)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """What the descent keeps; noise keeps nothing."""
    name, _ = descent(settings)
    return fast_path("lanes", name).unpack(settings, layout, own[DESCENT])


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The update of L2 or of Adam, then noise."""
    name, own = descent(settings)
    step, add = of_part(fast_path("lanes", name).hooks(own, layout), DESCENT), _add(layout)
    count = layout.count

    @njit(**INNER)
    def end(own, w, h, seeds, task, step):
        std = own[PERTURBATION][0]
        if std == 0:
            return
        for first in range(0, count, GROUP):
            for k in range(BLOCKS):
                w0, w1, w2, w3 = block(NOISE, seeds, task, step, 0, first // 4 + k)
                n0, n1 = box_muller(w0, w1)
                add(w, first + k, std, n0)
                add(w, first + k + BLOCKS, std, n1)
                if first + 2 * BLOCKS < count:
                    n2, n3 = box_muller(w2, w3)
                    add(w, first + k + 2 * BLOCKS, std, n2)
                    add(w, first + k + 3 * BLOCKS, std, n3)

    return replace(step, name=f"shrink_and_perturb_{step.name}", end=end)


def _add(layout: Layout) -> Callable:
    """add(w, number, std, noise): std noise on a number of every run; what is drawn beyond the last one is lost."""
    precise, count = converter(from_dtype(np.dtype(layout.dtype))), layout.count

    @njit(**INNER)
    def add(w, n, std, noise):
        at = min(n, count) * LANES
        store(w, at, fma(std, precise(noise), load(w, at)))

    return add

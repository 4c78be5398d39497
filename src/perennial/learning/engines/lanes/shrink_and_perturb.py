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
from perennial.learning.engines.compiling import EXACT
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.lanes.draws import block, box_muller
from perennial.learning.engines.lanes.layout import Hooks, Layout, of_part
from perennial.learning.engines.vectors import converter, load, store

__all__ = ["KNOWS", "hooks", "pack", "unpack", "unsupported"]

KNOWS = {"noise": ("gaussian",), "optimiser": ("sgd", "adam")}

NOISE, BLOCKS, GROUP = streams.NOISE, streams.LANES, streams.GROUP
DESCENT, PERTURBATION = range(2)  # the two parts of the algorithm's arrays


def pack(settings: Settings, layout: Layout, state: dict[str, Any]) -> tuple:
    """(arrays of the descent, ([noise_std], where each number drawn belongs)); surplus ones go past the weights."""
    groups = -(-layout.count // GROUP)
    surplus = np.full(groups * GROUP - layout.count, layout.end)
    places = np.concatenate([layout.places, surplus])
    name, own = descent(settings)
    arrays = fast_path("lanes", name).pack(own, layout, state)
    return arrays, (np.array([settings.noise_std], layout.dtype), places)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """What the descent keeps; noise keeps nothing."""
    name, _ = descent(settings)
    return fast_path("lanes", name).unpack(settings, layout, own[DESCENT])


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The update of L2 or of Adam, then noise."""
    name, own = descent(settings)
    step, add = of_part(fast_path("lanes", name).hooks(own, layout), DESCENT), _add(layout)

    @njit(**EXACT)
    def end(own, w, h, seeds, task, step):
        std, places = own[PERTURBATION]
        if std[0] == 0:
            return
        for first in range(0, places.shape[0], GROUP):
            for k in range(BLOCKS):
                w0, w1, w2, w3 = block(NOISE, seeds, task, step, 0, first // 4 + k)
                n0, n1 = box_muller(w0, w1)
                n2, n3 = box_muller(w2, w3)
                at = first + k
                add(w, places[at], std[0], n0)
                add(w, places[at + BLOCKS], std[0], n1)
                add(w, places[at + 2 * BLOCKS], std[0], n2)
                add(w, places[at + 3 * BLOCKS], std[0], n3)

    return replace(step, name=f"shrink_and_perturb_{step.name}", end=end)


def _add(layout: Layout) -> Callable:
    """add(w, at, std, noise): std noise, put on eight numbers."""
    precise = converter(from_dtype(np.dtype(layout.dtype)))

    @njit(**EXACT)
    def add(w, at, std, noise):
        store(w, at, load(w, at) + std * precise(noise))

    return add

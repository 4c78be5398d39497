"""Shrink and perturb, compiled: the descent with decay, then one long draw of noise, cut up over the layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import numpy as np
from numba import njit

from perennial import streams
from perennial.learning.algorithms.shrink_and_perturb import Settings, descent
from perennial.learning.engines import fast_path
from perennial.learning.engines.draws import fill_normals, fill_sum4
from perennial.learning.engines.fused.backprop import unsupported
from perennial.learning.engines.fused.layout import INNER, Hooks, Layout, in_turn, of_part
from perennial.learning.engines.fused.rows import put_one, take_one
from perennial.learning.engines.vectors import LANES, converter, fma, load, store

__all__ = ["KNOWS", "hooks", "pack", "unpack", "unsupported"]

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd", "adam")}

NOISE = streams.NOISE
DESCENT, PERTURBATION = range(2)  # the two parts of the algorithm's arrays


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """(arrays of the descent, ([noise_std], [1 if the noise is normal], buffer for the noise of a step))."""
    whole = 2 * streams.GROUP
    buffer = np.zeros(-(-_starts(layout)[-1] // whole) * whole, np.float32)
    std, normal = np.array([settings.noise_std], layout.dtype), np.array([settings.noise == "gaussian"])
    name, own = descent(settings)
    return fast_path("fused", name).pack(own, layout, state, run), (std, normal, buffer)


def unpack(settings: Settings, layout: Layout, own: tuple) -> dict[str, Any]:
    """What the descent keeps; noise keeps nothing."""
    name, _ = descent(settings)
    return fast_path("fused", name).unpack(settings, layout, own[DESCENT])


def hooks(settings: Settings, layout: Layout) -> Hooks:
    """The update of L2 or of Adam, then noise."""
    name, own = descent(settings)
    step = of_part(fast_path("fused", name).hooks(own, layout), DESCENT)
    add = in_turn([_add_noise(layout, layer) for layer in range(layout.layers)])

    @njit(**INNER)
    def end(net, own, work, seed, task, step):
        std, normal, noise = own[PERTURBATION]
        if std[0] == 0:
            return
        if normal[0]:
            fill_normals(noise, NOISE, seed, task, step, 0)
        else:
            fill_sum4(noise, NOISE, seed, task, step, 0)
        add(net, std[0], noise)

    return replace(step, name=f"shrink_and_perturb_{step.name}", end=end)


def _starts(layout: Layout) -> list[int]:
    """Where in the long draw each array begins: weight_0, bias_0, weight_1, ..., and where the last one ends."""
    counts = [n for i, o in zip(layout.sizes, layout.sizes[1:], strict=False) for n in (i * o, o)]
    return [0, *np.cumsum(counts).tolist()]


def _add_noise(layout: Layout, layer: int) -> Callable:
    """Number i * outputs + o of the layer's part belongs to weight [i, o]."""
    inputs, outputs, length = layout.sizes[layer], layout.sizes[layer + 1], layout.lengths[layer]
    start, start_of_biases = _starts(layout)[2 * layer : 2 * layer + 2]
    dtype, whole = np.dtype(layout.dtype).type, outputs // LANES * LANES
    convert = converter(numba.from_dtype(np.dtype(layout.dtype)))

    @njit(**INNER)
    def add_to(w, first, std, noise, begin):
        for o in range(0, whole, LANES):
            store(w, first + o, fma(std, convert(load(noise, begin + o)), load(w, first + o)))
        for o in range(whole, outputs):
            put_one(w, first + o, fma(std, dtype(noise[begin + o]), take_one(w, first + o)))

    @njit(**INNER)
    def add(net, std, noise):
        for i in range(inputs):
            add_to(net[0][layer], i * length, std, noise, start + i * outputs)
        add_to(net[1][layer], 0, std, noise, start_of_biases)

    @njit(**INNER)
    def add_turned(net, std, noise):
        w = net[0][layer]
        for i in range(inputs):
            for o in range(outputs):
                w[o, i] = fma(std, dtype(noise[start + i * outputs + o]), w[o, i])
        add_to(net[1][layer], 0, std, noise, start_of_biases)

    return add_turned if layout.turned and layer == 0 else add

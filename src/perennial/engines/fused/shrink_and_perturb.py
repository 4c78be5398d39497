"""Shrink and perturb, compiled: the update with decay, then one long draw of noise, cut up over the layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from perennial import streams
from perennial.algorithms.shrink_and_perturb import Settings
from perennial.engines.fused import l2
from perennial.engines.fused.backprop import unpack, unsupported
from perennial.engines.fused.layout import INNER, Hooks, Layout, in_turn, nothing
from perennial.streams.compiled import fill_normals, fill_sum4

__all__ = ["hooks", "pack", "unpack", "unsupported"]

NOISE = streams.NOISE


def pack(settings: Settings, layout: Layout, state: dict[str, Any], run: int) -> tuple:
    """([step size, decay, noise_std], [1 if the noise is normal], buffer for the noise of a step)."""
    (rates,) = l2.pack(settings, layout, state, run)
    whole = 2 * streams.GROUP
    buffer = np.zeros(-(-_starts(layout)[-1] // whole) * whole, np.float32)
    rates = np.append(rates, layout.number(settings.noise_std))
    return rates, np.array([settings.noise == "gaussian"]), buffer


def hooks(layout: Layout) -> Hooks:
    """The update of L2, then noise."""
    row, bias = l2.row_and_bias(layout)
    add = in_turn([_add_noise(layout, layer) for layer in range(layout.layers)])

    @njit(**INNER)
    def end(net, own, work, seed, task, step):
        std, normal, noise = own[0][2], own[1][0], own[2]
        if std == 0:
            return
        if normal:
            fill_normals(noise, NOISE, seed, task, step, 0)
        else:
            fill_sum4(noise, NOISE, seed, task, step, 0)
        add(net, std, noise)

    return Hooks(row, bias, nothing, end, dense=True)


def _starts(layout: Layout) -> list[int]:
    """Where in the long draw each array begins: weight_0, bias_0, weight_1, ..., and where the last one ends."""
    counts = [n for i, o in zip(layout.sizes, layout.sizes[1:], strict=False) for n in (i * o, o)]
    return [0, *np.cumsum(counts).tolist()]


def _add_noise(layout: Layout, layer: int) -> Callable:
    """Number i * outputs + o of the layer's part belongs to weight [i, o]."""
    inputs, outputs = layout.sizes[layer], layout.sizes[layer + 1]
    turned, dtype = layout.turned and layer == 0, np.dtype(layout.dtype).type
    start, start_of_biases = _starts(layout)[2 * layer : 2 * layer + 2]

    @njit(**INNER)
    def add(net, std, noise):
        w, b = net[0][layer], net[1][layer]
        for i in range(inputs):
            part = noise[start + i * outputs : start + (i + 1) * outputs]
            for o in range(outputs):
                if turned:
                    w[o, i] += std * dtype(part[o])
                else:
                    w[i, o] += std * dtype(part[o])
        part = noise[start_of_biases : start_of_biases + outputs]
        for o in range(outputs):
            b[o] += std * dtype(part[o])

    return add

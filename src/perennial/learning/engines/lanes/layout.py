"""How the arrays of eight runs lie in memory, and the hooks of a loop that is compiled for a given shape.

All numbers of a kind (weights or moments) lie in one flat array: eight runs side by side, in the order of the random
streams, a layer's matrix as [i, o] and then its biases. Fewer than eight runs are filled up with copies of the last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from perennial.learning.engines.compiling import INNER
from perennial.learning.engines.vectors import LANES


@dataclass(frozen=True)
class Layout:
    """Shape of a network, as constants for the compiler."""

    sizes: tuple[int, ...]  # inputs, hidden layer if any, output
    activation: str
    dtype: str

    @cached_property
    def layers(self) -> int:
        """Number of weight matrices."""
        return len(self.sizes) - 1

    @cached_property
    def hidden(self) -> int:
        """Units of the hidden layer; 0 where there is none."""
        return sum(self.sizes[1:-1])

    @cached_property
    def count(self) -> int:
        """Weights and biases of a run."""
        return sum(i * o + o for i, o in zip(self.sizes, self.sizes[1:], strict=False))

    def start(self, layer: int, of_biases: bool = False) -> int:
        """Place of a layer's matrix, or of its biases, in a flat array."""
        shapes = list(zip(self.sizes, self.sizes[1:], strict=False))
        before = sum(i * o + o for i, o in shapes[:layer])
        return (before + (shapes[layer][0] * shapes[layer][1] if of_biases else 0)) * LANES

    def number(self, value: float) -> Any:
        """A constant of the run's precision."""
        return np.dtype(self.dtype).type(value)

    def numbers(self, *values: float) -> tuple:
        """Rates for the loop; not in an array, so that the compiler need not fear that a store changes them."""
        return tuple(map(self.number, values))

    def pack(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """Arrays shaped like the weights, [r, ...] each, as one flat array; the last eight numbers mean nothing."""
        names = [f"{kind}_{layer}" for layer in range(self.layers) for kind in ("weight", "bias")]
        flat = np.concatenate(
            [arrays[name].reshape(len(arrays[name]), -1) for name in names], axis=1
        )  # [r, number]
        return np.append(side_by_side(flat.T.astype(self.dtype, copy=False)), np.zeros(LANES, self.dtype))

    def unpack(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `pack`, with eight runs."""
        arrays = {}
        for layer, (i, o) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            matrix, biases = self.start(layer), self.start(layer, of_biases=True)
            w, b = (
                flat[matrix:biases].reshape(-1, LANES).T,
                flat[biases : biases + o * LANES].reshape(o, LANES).T,
            )
            arrays[f"weight_{layer}"], arrays[f"bias_{layer}"] = w.reshape(LANES, i, o).copy(), b.copy()
        return arrays


def side_by_side(array: np.ndarray) -> np.ndarray:
    """An array [..., r] of up to eight runs as a flat one of eight."""
    last = array.shape[-1] - 1
    return np.ascontiguousarray(array[..., np.minimum(np.arange(LANES), last)]).reshape(-1)


@dataclass(frozen=True)
class Hooks:
    """An algorithm's part of the loop, compiled functions on the flat array w of the weights.

    move(own, w, at, a, b, exact) moves the eight numbers at place `at`, whose gradient is a b; products with b are
    exact where it says so, and may then be rounded along with a sum. begin(own) opens a step;
    end(own, w, h, seeds, task, step) closes it, h [unit] the flat array of activations. Compiled code is kept under
    `name`, so settings that choose other functions must show in it.
    """

    name: str
    move: Callable
    begin: Callable
    end: Callable


@njit(**INNER)
def nothing(own: Any) -> None:
    """A `begin` hook that does nothing."""


@njit(**INNER)
def nothing_more(own: Any, w: Any, h: Any, seeds: Any, task: int, step: int) -> None:
    """An `end` hook that does nothing."""


def of_part(hooks: Hooks, part: int) -> Hooks:
    """The hooks of an algorithm within another one, whose arrays are `own[part]`."""
    moving, opening, closing = hooks.move, hooks.begin, hooks.end

    @njit(**INNER)
    def move(own, w, at, a, b, exact):
        moving(own[part], w, at, a, b, exact)

    @njit(**INNER)
    def begin(own):
        opening(own[part])

    @njit(**INNER)
    def end(own, w, h, seeds, task, step):
        closing(own[part], w, h, seeds, task, step)

    return Hooks(hooks.name, move, begin, end)

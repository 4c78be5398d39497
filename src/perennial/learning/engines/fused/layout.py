"""How the arrays of one run lie in memory, and the hooks of a loop that is compiled for a given shape.

A matrix is held as rows over its outputs, [i, o], one row for each input. Only a first layer of few outputs is
held the other way round, [o, i]: rows of five numbers would leave most of a vector register empty. Rows are
padded with zeros to whole registers. Pads stay zero: nothing is ever added to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np

from perennial.learning.engines.compiling import INNER, in_turn  # noqa: F401  for the algorithms' files

# Running sums of a loop are taken anew at multiples of this many steps of a task: there a task may be cut in two.
CUT = 50
NARROW = 8  # outputs of a first layer that is better held as [o, i]
SMALL = 32  # inputs of a layer whose zero rows are not worth skipping


@dataclass(frozen=True)
class Layout:
    """Shape of a network, as constants for the compiler."""

    sizes: tuple[int, ...]  # inputs, hidden layers, outputs
    activation: str
    loss: str
    dtype: str

    @cached_property
    def layers(self) -> int:
        """Number of weight matrices."""
        return len(self.sizes) - 1

    @cached_property
    def turned(self) -> bool:
        """Whether the first layer is held as [o, i]."""
        return self.sizes[1] <= NARROW and not self.skips[0]

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Padded length of the rows of each layer's matrix."""
        return tuple(padded(n) for n in ((self.sizes[0] if self.turned else self.sizes[1]), *self.sizes[2:]))

    @cached_property
    def leads(self) -> tuple[int, ...]:
        """Padded number of outputs of each layer."""
        return tuple(padded(n) for n in self.sizes[1:])

    @cached_property
    def width(self) -> int:
        """Padded size of the widest layer, inputs included."""
        return max(padded(n) for n in self.sizes)

    @cached_property
    def skips(self) -> tuple[bool, ...]:
        """For each layer, whether rows of zero input are skipped.

        Zero inputs and zero ReLUs make it right. It pays where there are many rows: in a small layer the
        branch that a varying row count mispredicts costs more than the rows.
        """
        zeros = [True] + [self.activation == "relu"] * (self.layers - 1)
        return tuple(z and n > SMALL for z, n in zip(zeros, self.sizes, strict=False))

    def number(self, value: float) -> Any:
        """A constant of the run's precision: a bare Python float would widen the arithmetic to double."""
        return np.dtype(self.dtype).type(value)

    def pack(self, arrays: dict[str, np.ndarray], run: int) -> tuple[tuple, tuple]:
        """Padded copies of one run's arrays shaped like the weights: a matrix and a vector for each layer."""
        matrices, vectors = [], []
        for layer, (length, lead) in enumerate(zip(self.lengths, self.leads, strict=True)):
            w, b = arrays[f"weight_{layer}"][run], arrays[f"bias_{layer}"][run]
            w = w.T if self.turned and layer == 0 else w
            rows = padded(len(w)) if length == 1 else len(w)  # a matrix of one column is read like a row
            matrices.append(np.zeros((rows, length), self.dtype))
            vectors.append(np.zeros(lead, self.dtype))
            matrices[-1][: len(w), : w.shape[1]], vectors[-1][: len(b)] = w, b
        return tuple(matrices), tuple(vectors)

    def unpack(self, packed: tuple[tuple, tuple]) -> dict[str, np.ndarray]:
        """The inverse of `pack`, for one run and without its axis."""
        arrays = {}
        for layer, n in enumerate(self.sizes[1:]):
            w = packed[0][layer]
            w = w[:, : self.sizes[0]].T if self.turned and layer == 0 else w[: self.sizes[layer], :n]
            arrays[f"weight_{layer}"] = w.copy()
            arrays[f"bias_{layer}"] = packed[1][layer][:n].copy()
        return arrays


def padded(n: int) -> int:
    """Length of a padded row of n numbers."""
    return n if n == 1 else 8 if n <= 8 else -(-n // 32) * 32 if n <= SMALL else -(-n // 16) * 16


@dataclass(frozen=True)
class Hooks:
    """An algorithm's part of the loop: compiled functions, one row or bias function per layer.

    row(net, own, j, a, b) updates row j of the layer's matrix, whose gradient is a b[layer, :], and returns the
    dot product of the old row with b[layer, :]; bias(net, own, delta) updates the biases; begin(own) opens a
    step; end(net, own, work, seed, task, step) closes it. Compiled code is kept under `name`, so settings that
    choose other functions must show in it.
    """

    name: str
    row: list[Callable]
    bias: list[Callable]
    begin: Callable
    end: Callable
    dense: bool = False  # rows of zero activation change too


@numba.njit
def nothing(own: Any) -> None:
    """A `begin` hook that does nothing."""


@numba.njit
def nothing_more(net: Any, own: Any, work: Any, seed: int, task: int, step: int) -> None:
    """An `end` hook that does nothing."""


def of_part(hooks: Hooks, part: int) -> Hooks:
    """The hooks of an algorithm within another one, whose arrays are `own[part]`."""
    opening, closing = hooks.begin, hooks.end

    def row_of(row: Callable) -> Callable:
        @numba.njit(**INNER)
        def inner(net, own, j, a, b):
            return row(net, own[part], j, a, b)

        return inner

    def bias_of(bias: Callable) -> Callable:
        @numba.njit(**INNER)
        def inner(net, own, delta):
            bias(net, own[part], delta)

        return inner

    @numba.njit(**INNER)
    def begin(own):
        opening(own[part])

    @numba.njit(**INNER)
    def end(net, own, work, seed, task, step):
        closing(net, own[part], work, seed, task, step)

    rows, biases = [row_of(f) for f in hooks.row], [bias_of(f) for f in hooks.bias]
    return Hooks(hooks.name, rows, biases, begin, end, hooks.dense)

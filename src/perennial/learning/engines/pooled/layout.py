"""How the numbers of one run lie in memory: weights, gradients and velocities each in one piece.

In the order of the network's names; only the filters of a convolution are turned to [o, k, k, i], channels last. All
else, and all shapes that anybody sees, are the definition's: views [1, ...] as tensors, with the axis r in front.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from perennial.lazy import torch


class Layout:
    """Shape of a network, and where each array begins.

    Args:
        network: a convolutional network.
        dtype: float32 or float64.
    """

    def __init__(self, network: Any, dtype: str) -> None:
        self.network, self.dtype = network, dtype
        shapes = [shape for n in range(network.layers) for shape in (network.shapes[n], (network.widths[n],))]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes]).tolist()
        self.size = ends[-1]
        self._places = dict(zip(network.names, zip([0, *ends[:-1]], ends, shapes, strict=True), strict=True))

    def view(self, flat: np.ndarray, name: str) -> np.ndarray:
        """One array as it lies: filters [o, k, k, i], matrices [i, o], biases [o]."""
        begin, end, shape = self._places[name]
        if len(shape) == 4:
            o, i, k, _ = shape
            shape = (o, k, k, i)
        return flat[begin:end].reshape(shape)

    def turned(self, flat: np.ndarray, name: str) -> np.ndarray:
        """The same as the definition has it: filters [o, i, k, k]."""
        found = self.view(flat, name)
        return found.transpose(0, 3, 1, 2) if found.ndim == 4 else found

    def tensors(self, flat: np.ndarray) -> dict[str, Any]:
        """All of them as tensors [1, ...] that share the memory."""
        return {name: torch.from_numpy(self.turned(flat, name))[None] for name in self._places}

    def pack(self, arrays: dict[str, np.ndarray], run: int) -> np.ndarray:
        """A copy of one run's arrays in one piece: [size]."""
        flat = np.empty(self.size, self.dtype)
        for name in self._places:
            self.turned(flat, name)[...] = arrays[name][run]
        return flat

    def unpack(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `pack`: copies [1, ...]."""
        return {name: self.turned(flat, name)[None].copy() for name in self._places}

    @cached_property
    def definition_order(self) -> np.ndarray:
        """[size] int64: the place of each number where all arrays lie in a row, in the definition's shapes."""
        places = np.arange(self.size)
        flat = np.empty(self.size, np.int64)
        for name, (begin, end, shape) in self._places.items():
            self.turned(flat, name)[...] = places[begin:end].reshape(shape)
        return flat

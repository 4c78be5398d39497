"""How a stack's arrays lie in memory: every axis but the runs' is padded with zeros to 128 bytes, or none is.

Each run's slice then starts at the same alignment and fills whole vector registers. Libraries choose their
kernels by alignment, and the last few numbers of an array often go through other code than the rest; with whole
registers a run's bits do not depend on its place in the stack. A run alone has a copy of itself beside it: a
batch of one would take another path. Pads of weights and sums stay zero, since nothing is ever added to them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.lazy import torch

LINE = 128  # bytes: two AVX-512 registers, and a cache line of a GPU
LEAST = 2  # runs in a stack


class Layout:
    """Padding for one precision and number of runs.

    Args:
        dtype: float32 or float64.
        runs: how many there are.
        device: where tensors go.
        padded: False where a run's bits may depend on its place.
    """

    def __init__(self, dtype: str, runs: int, device: Any, padded: bool = True) -> None:
        self.dtype, self.runs, self.device = getattr(torch, dtype), runs, device
        self.unit = LINE // np.dtype(dtype).itemsize if padded else 1
        places = max(runs, LEAST) if padded else runs
        self.lanes = np.arange(places) % runs  # the run that each place of the stack holds

    def lead(self, n: int) -> int:
        """Padded length of an axis of n numbers."""
        return -(-n // self.unit) * self.unit

    def pad(self, array: np.ndarray) -> np.ndarray:
        """[run, a, ...] -> [r, lead(a), ...]; run files' axes to the stack's."""
        padded = np.zeros((len(self.lanes), *map(self.lead, array.shape[1:])), array.dtype)
        padded[(slice(None), *map(slice, array.shape[1:]))] = array[self.lanes]
        return padded

    def unpad(self, tensor: Any, shape: tuple[int, ...]) -> np.ndarray:
        """The inverse of `pad` for an array of that shape, as a copy on the host."""
        return tensor[tuple(map(slice, shape))].cpu().numpy().copy()

    def without_pads(self, tensor: Any, shape: tuple[int, ...]) -> Any:
        """The numbers of an array of that shape, a view with all the stack's runs: [r, *shape[1:]]."""
        return tensor[(slice(None), *map(slice, shape[1:]))]

    def zeros(self, *shape: int) -> Any:
        """[r, *shape] zeros in the stack's precision; the last axis is padded."""
        return torch.zeros(
            len(self.lanes), *shape[:-1], self.lead(shape[-1]), dtype=self.dtype, device=self.device
        )

    def real(self, n: int) -> Any:
        """[lead(n)] bool: which places are not pads."""
        return torch.arange(self.lead(n), device=self.device) < n

    def per_run(self, values: list[float], dims: int, dtype: Any = None) -> Any:
        """[r, 1, ...] with `dims` axes: one number for each run."""
        column = [values[run] for run in self.lanes]
        return torch.tensor(column, dtype=dtype or self.dtype, device=self.device).view(-1, *[1] * (dims - 1))

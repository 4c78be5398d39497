"""All arrays of one kind (weights, gradients, velocities) of a stack in one piece, so that an update is one kernel."""

from __future__ import annotations

import math
from typing import Any

from perennial.lazy import torch

ALIGNED = 32  # numbers: 128 bytes in single precision, where a run begins


class Flat:
    """Numbers [r, size], zero at first, and the arrays that they are.

    Args:
        like: arrays [r, ...] by name; the shapes.
        names: their order, which is that of the definition's draws of noise.
        device: where they go.
    """

    def __init__(self, like: dict[str, Any], names: list[str], device: Any) -> None:
        one = like[names[0]]
        counts = [math.prod(like[name].shape[1:]) for name in names]
        self.size = sum(counts)  #: numbers of a run; the rest of a row is never anything but zero
        self._rest = torch.zeros(len(one), -self.size % ALIGNED, dtype=one.dtype, device=device)
        self.whole = torch.zeros(len(one), self.size + self._rest.shape[1], dtype=one.dtype, device=device)
        parts = self.whole[:, : self.size].split(counts, dim=1)
        #: by name, in the definition's shapes, in the same memory: [r, n] -> [r, ...]
        self.views = {name: part.view(like[name].shape) for name, part in zip(names, parts, strict=True)}

    def fill(self, arrays: list[Any]) -> None:
        """Take over all arrays [r, ...], in the order of the names."""
        torch.cat([*(array.flatten(1) for array in arrays), self._rest], dim=1, out=self.whole)

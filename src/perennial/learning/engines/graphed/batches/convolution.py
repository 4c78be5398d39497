"""Convolution and pooling of a stack of runs. Each formulation computes the same; they differ in speed only."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.networks.convnet import POOL, apart

#: Which one is used; to be set from numbers (benchmarks/gpu.py).
FORMULATION = "grouped"


def grouped(images: Any, weight: Any, bias: Any) -> Any:
    """One convolution whose groups are the runs.

    Args:
        images: [r, b, i, y, x].
        weight: [r, o, i, k, k].
        bias: [r, o].

    Returns:
        [r, b, o y' x'], convolved and pooled.
    """
    runs = len(images)
    side_by_side = images.transpose(0, 1).flatten(1, 2)  # [r, b, i, y, x] -> [b, r i, y, x]
    z = torch.nn.functional.conv2d(side_by_side, weight.flatten(0, 1), bias.flatten(), groups=runs)
    pooled = torch.nn.functional.max_pool2d(z, POOL)  # [b, r o, y', x']
    return pooled.unflatten(1, (runs, -1)).flatten(2).transpose(0, 1)


def unfolded(images: Any, weight: Any, bias: Any) -> Any:
    """Every place's surroundings as a row of a matrix ("im2col"), and one product of matrices for each run."""
    runs, batch, _, height, width = images.shape
    o, kernel = weight.shape[1], weight.shape[-1]
    columns = torch.nn.functional.unfold(images.flatten(0, 1), kernel)  # [r b, i k k, y' x']
    rows = columns.unflatten(0, (runs, batch)).transpose(2, 3).flatten(1, 2)  # [r, b y' x', i k k]
    z = torch.baddbmm(bias.unsqueeze(1), rows, weight.flatten(2).transpose(1, 2))  # [r, b y' x', o]
    z = z.view(runs * batch, height - kernel + 1, width - kernel + 1, o).permute(0, 3, 1, 2)
    return torch.nn.functional.max_pool2d(z, POOL).flatten(1).view(runs, batch, -1)


FORMULATIONS = {"grouped": grouped, "unfolded": unfolded, "apart": apart}


def chosen() -> Any:
    """The formulation that is used."""
    return FORMULATIONS[FORMULATION]

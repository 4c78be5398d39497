"""Compiled parts of a convolution that is followed by pooling and a ReLU, for images held channels last.

Shapes: images [b, y, x, i] of the layer's input, sums [b, y', x', o], and after pooling [b, m, n, o]. `corner` says
which of its four places a pooling window took: 2 (row) + (column). Images and filters come flattened, so that a block
of k rows of one image and k rows of a filter, k i numbers each, are alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.sums import add_blocks, padded

# Bound by `compiled`; named here so that the templates read as functions.
ROWS = LINE = INPUTS = KERNEL = PADDED = add = None


class Kernels(NamedTuple):
    """Compiled for one shape of layer."""

    pool: Callable
    filter_gradient: Callable
    image_gradient: Callable


def pool(sums, h, corner):
    """h = ReLU of the greatest of four, which is what pooling makes of the ReLU; the first of equals is taken."""
    for b in range(h.shape[0]):
        for y in range(h.shape[1]):
            for x in range(h.shape[2]):
                above, below = sums[b, 2 * y], sums[b, 2 * y + 1]
                left, right = 2 * x, 2 * x + 1
                for c in range(h.shape[3]):
                    best, at = above[left, c], np.int32(0)
                    if above[right, c] > best:
                        best, at = above[right, c], np.int32(1)
                    if below[left, c] > best:
                        best, at = below[left, c], np.int32(2)
                    if below[right, c] > best:
                        best, at = below[right, c], np.int32(3)
                    h[b, y, x, c] = 0 if best <= 0 else best  # not a number stays so
                    corner[b, y, x, c] = at


def filter_gradient(images, delta, h, corner, filters, biases, starts, factors, terms):
    """Gradients of filters [o k padded] and biases [o]; of each channel, the blocks of an image that it saw, scaled.

    starts, factors [o, m n] and terms [o] are working space.
    """
    filters[:] = 0
    biases[:] = 0
    for b in range(h.shape[0]):
        terms[:] = 0
        for y in range(h.shape[1]):
            for x in range(h.shape[2]):
                start = b * ROWS * LINE + 2 * y * LINE + 2 * x * INPUTS
                for c in range(h.shape[3]):
                    at, k = np.int64(corner[b, y, x, c]), terms[c]
                    starts[c, k] = start + (at >> 1) * LINE + (at & 1) * INPUTS
                    factors[c, k] = delta[b, y, x, c]
                    terms[c] = k + (h[b, y, x, c] > 0)  # no branch to mispredict
        for c in range(h.shape[3]):
            for k in range(terms[c]):
                biases[c] += factors[c, k]
            add(filters, c * KERNEL * PADDED, images, starts[c], factors[c], terms[c])


def image_gradient(filters, gradient, delta, h, corner, starts, factors, terms):
    """Gradient of the images [b y x i]; at each place, the filters of the channels that saw it, scaled.

    starts, factors [4, o] and terms [4] are working space.
    """
    gradient[:] = 0
    for b in range(h.shape[0]):
        for y in range(h.shape[1]):
            for x in range(h.shape[2]):
                terms[:] = 0
                for c in range(h.shape[3]):
                    at = np.int64(corner[b, y, x, c])
                    k = terms[at]
                    starts[at, k] = c * KERNEL * PADDED
                    factors[at, k] = delta[b, y, x, c]
                    terms[at] = k + (h[b, y, x, c] > 0)
                start = b * ROWS * LINE + 2 * y * LINE + 2 * x * INPUTS
                for at in range(4):
                    place = start + (at >> 1) * LINE + (at & 1) * INPUTS
                    add(gradient, place, filters, starts[at], factors[at], terms[at])


@cache
def compiled(rows: int, columns: int, inputs: int, kernel: int) -> Kernels:
    """The kernels of a layer.

    Args:
        rows, columns, inputs: of its images.
        kernel: side of its filters.
    """
    label = f"{rows}x{columns}x{inputs}_{kernel}"
    line, length = columns * inputs, padded(kernel * inputs)
    shape = {"ROWS": rows, "LINE": line, "INPUTS": inputs, "KERNEL": kernel, "PADDED": length}
    gather, scatter = (add_blocks(kernel, length, *strides) for strides in ((length, line), (line, length)))
    return Kernels(
        specialise(pool, "pooled_pool"),
        specialise(filter_gradient, f"pooled_filter_gradient_{label}", **shape, add=gather),
        specialise(image_gradient, f"pooled_image_gradient_{label}", **shape, add=scatter),
    )

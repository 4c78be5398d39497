"""Made-up images in place of data sets that are not there: same shapes, same share of zeros, for timing alone."""

from __future__ import annotations

import numpy as np

from perennial.problems import Arrays


def digits(count: int, side: int, white: int, lit: float) -> Arrays:
    """images [count, side, side] uint8 of noise, and labels [count] uint8 in 0..9.

    Args:
        white: the largest value of a pixel.
        lit: share of pixels that are not 0: compiled loops skip the others.
    """
    draw = np.random.default_rng(0)
    images = draw.integers(1, white, (count, side, side), np.uint8, endpoint=True)
    images[draw.integers(0, 256, images.shape, np.uint8) >= round(256 * lit)] = 0
    return {"images": images, "labels": draw.integers(0, 10, count).astype(np.uint8)}


def photographs(classes: int, each: int, side: int) -> Arrays:
    """Arrays like those of ImageNet: every class shows the same image, so that they take no memory."""
    draw = np.random.default_rng(0)
    image = draw.integers(0, 255, (1, 3, side, side), np.uint8, endpoint=True)
    return {
        "images": np.broadcast_to(image, (classes * each, 3, side, side)),
        "counts": np.full(classes, each),
        "names": np.array([f"n{k:08d}".encode() for k in range(classes)]),
        "mean": np.full((3, side, side), 127.5),
    }

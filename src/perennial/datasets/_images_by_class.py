"""The arrays of images by class, as they lie in a data set file: see `imagenet32`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

SHAPE = (3, 32, 32)  # channel, row, column


def create(file: Any, names: list[str], counts: np.ndarray) -> Any:
    """Write names and counts, and make room for the images.

    Args:
        file: an open HDF5 file.
        names: of the classes, in order.
        counts: [class] images of each.

    Returns:
        the array of images [image, 3, 32, 32] uint8, in one piece, so that readers can map it.
    """
    file.create_dataset("names", data=np.array([os.fsencode(name) for name in names]))
    file.create_dataset("counts", data=np.asarray(counts, np.int64))
    return file.create_dataset("images", (int(np.sum(counts)), *SHAPE), np.uint8)


def starts(counts: np.ndarray) -> np.ndarray:
    """[class] where each class begins among the images."""
    return np.cumsum(counts) - counts

"""Random views of images, one draw for each image of a mini-batch: a flip, a shifted crop, a turn; in that order.

All three move pixels and change none, so that they are one table of places. Numbers come from the augmentation stream,
keyed by (seed, task, step): the same for all algorithms of a seed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from perennial import streams


class Views(NamedTuple):
    """Which random views there are."""

    flip: bool = True  #: left and right change places, in half of all cases
    padding: int = 4  #: a crop is shifted by up to so many pixels; what lies outside is mirrored
    degrees: float = 15.0  #: turned by an angle between 0 and this, the nearest pixel, 0 outside


def changed(images: np.ndarray, views: Views, address: streams.Address) -> np.ndarray:
    """A random view of each image.

    Args:
        images: [b, channel, y, x]; 0 is what lies outside a turned image.
        address: in the random streams.

    Returns:
        [b, channel, y, x], new.
    """
    b, _, height, width = images.shape
    u = streams.uniforms(address, 4 * b).reshape(4, b).astype(np.float64)
    rows, columns, inside = _turned(height, width, u[3] * views.degrees)  # [b, y, x] places in the crop
    shift = np.floor(u[1:3] * (2 * views.padding + 1)).astype(np.int64) - views.padding  # [2, b]
    rows = _mirrored(rows + shift[0][:, None, None], height)
    columns = _mirrored(columns + shift[1][:, None, None], width)
    if views.flip:
        columns = np.where(u[0][:, None, None] < 0.5, width - 1 - columns, columns)
    picked = images[np.arange(b)[:, None, None], :, rows, columns]  # [b, y, x, channel]
    return np.ascontiguousarray(np.where(inside[..., None], picked, 0).transpose(0, 3, 1, 2)).astype(
        images.dtype
    )


def _turned(height: int, width: int, degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the pixels of turned images come from: rows and columns [b, y, x], and whether that is inside.

    Counter-clockwise around the middle. Pixel y, x of the turned image has its middle at x - (w - 1) / 2.
    """
    angle = np.deg2rad(degrees)[:, None, None]
    y, x = (np.arange(n) - (n - 1) / 2 for n in (height, width))
    cosine, sine = np.cos(angle), np.sin(angle)
    from_x = cosine * x[None, None, :] - sine * y[None, :, None] + (width - 1) / 2
    from_y = sine * x[None, None, :] + cosine * y[None, :, None] + (height - 1) / 2
    rows, columns = np.rint(from_y).astype(np.int64), np.rint(from_x).astype(np.int64)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return rows.clip(0, height - 1), columns.clip(0, width - 1), inside


def _mirrored(places: np.ndarray, size: int) -> np.ndarray:
    """Places outside 0 .. size - 1 mirrored at the edge pixel, as reflecting padding does."""
    places = np.abs(places)
    return np.where(places >= size, 2 * (size - 1) - places, places)

"""Series whose runs differ in their points, in bins: episodes of unequal length become curves that can be averaged."""

from __future__ import annotations

import numpy as np

from perennial.files.series import Stored


def of_series(found: Stored, every: int, length: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Means over bins of `every` positions: values [bin, *axes], and coordinates, the end of each bin first.

    Bin k has the points at positions in (k every, (k + 1) every]. A bin without any, inside a long episode, has the
    value of the one before; before the first point there is none (NaN).

    Args:
        found: one measure of one run.
        every: width of a bin, in the unit of the positions.
        length: of the run in that unit; an unfinished last bin is left out.
    """
    axis, *others = found.axes
    ends = np.arange(every, length + 1, every)  # [bin]
    values = np.full((len(ends), *found.values.shape[1:]), np.nan)
    which = np.searchsorted(ends, found.coordinates[axis])  # [point] the bin it falls into
    for k in range(len(ends)):
        inside = which == k
        if inside.any():
            values[k] = found.values[inside].mean(axis=0)
        elif k > 0:
            values[k] = values[k - 1]
    return values, {axis: ends, **{name: found.coordinates[name] for name in others}}

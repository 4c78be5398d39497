"""Where on a curve a term is taken: plain windows, and extrema whose place comes from elsewhere.

The place of an extremum never comes from the seeds it is used on (published curve, or the other half of the
seeds), so that a curve of pure noise shows no rise from its minimum on average.
"""

from __future__ import annotations

import numpy as np

from perennial.claims.curves import Series
from perennial.claims.data import Curves
from perennial.claims.statement import Claims, Window


class NotRun(Exception):
    """The results a statistic needs are not there; the message says which, in one line."""


def halves(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Masks [seed] of two halves: seeds alternate, in ascending order, whatever order they were stored in.

    Raises:
        NotRun: with a single seed there is no other half.
    """
    if count < 2:
        raise NotRun("one seed has no other half to place the extremum")
    even = np.arange(count) % 2 == 0
    return even, ~even


def select(window: Window, curves: Curves) -> np.ndarray:
    """Mask [point] of a plain window.

    Raises:
        NotRun: the stream does not cover the whole window; a shorter stretch would be another claim.
    """
    x = curves.x
    if window.points is not None:
        first, last = window.points
        if len(x) < last:
            raise NotRun(f"needs {window.text}; the runs of this scale have {len(x)} points")
        return (np.arange(len(x)) >= first - 1) & (np.arange(len(x)) < last)
    if window.last is not None:
        return np.arange(len(x)) >= len(x) - window.last
    assert window.start is not None and window.stop is not None
    mask = (x >= window.start) & (x < window.stop)
    gap = spacing(x)
    if not mask.any() or x[-1] + gap < window.stop or x[0] >= window.start + gap:
        end = x[-1] + gap - (1 if curves.axis == "task" else 0)
        raise NotRun(f"needs {window.text}; the runs of this scale end at {curves.axis} {end:,.0f}")
    return mask


def spacing(x: np.ndarray) -> float:
    return float(x[1] - x[0]) if len(x) > 1 else 0.0


def around(values: np.ndarray, centre: int, width: int) -> np.ndarray:
    first = min(max(centre - width // 2, 0), max(values.shape[1] - width, 0))
    return values[:, first : first + width]


def extremum(mean: np.ndarray, window: Window, holes: bool = False) -> int | None:
    """Centre of the lowest or highest stretch of `width` points; None when no stretch is complete.

    With `holes` (published curves) a stretch counts when more than half of its points could be read.
    """
    if len(mean) < window.width:
        return None
    stretches = np.lib.stride_tricks.sliding_window_view(mean, window.width)
    read = np.isfinite(stretches)
    enough = read.sum(axis=1) > window.width // 2 if holes else read.all(axis=1)
    if not enough.any():
        return None
    sums = np.where(read, stretches, 0.0).sum(axis=1)
    smooth = np.where(enough, sums / np.maximum(read.sum(axis=1), 1), np.nan)
    pick = np.nanargmin if window.extremum == "minimum" else np.nanargmax
    return int(pick(smooth)) + window.width // 2


def published_lines(variant: str, metric: str, claims: Claims) -> list[Series]:
    """All digitised curves of a variant, in the order of the figures: one may begin where another ends."""
    name = claims.series.get(variant, variant.rpartition("/")[2])
    shown = [figure for figure in claims.digitised(metric) if name in claims.curves.names(figure)]
    return [claims.curves.curve(figure, name) for figure in shown]


def published_series(variant: str, metric: str, claims: Claims) -> Series | None:
    """The first digitised curve of a variant; None when no figure of the metric shows it."""
    return next(iter(published_lines(variant, metric, claims)), None)


def published_place(variant: str, metric: str, window: Window, claims: Claims) -> float | None:
    """Coordinate of the published extremum, or None without a published curve.

    With `relative_to` the shared ups and downs of the published streams are taken off first.
    """
    line = published_series(variant, metric, claims)
    if line is None:
        return None
    mean = line.mean
    if window.relative_to:
        other = published_series(window.relative_to, metric, claims)
        assert other is not None, f"no published curve of {window.relative_to}"
        mean = mean - other.mean
    index = extremum(mean, window, holes=True)
    return None if index is None else float(line.x[index])

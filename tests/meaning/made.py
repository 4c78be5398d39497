"""Made-up results on which the statistic of a claim takes wanted values: flat curves, but for one window.

All terms of the statistic have the same level; the first term with a plain window or a recorded setting is moved
until the statistic has the wanted value. That value is worked out here, not by the code that judges.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from perennial.claims.data import Curves, Results, Variant
from perennial.claims.expression import SETTING, Expression, is_number, operation, term, terms
from perennial.claims.statement import Claims, Window

LEVEL = 50.0
FEWEST = 100  # points of a curve: more than an extremum is wide
Address = tuple[int, ...]  # which operand, then which of its operands ...


def results(statistic: Expression, claims: Claims, wanted: np.ndarray) -> Results:
    """Results of the variants of a statistic, so that it is `wanted` of shape [seed]."""
    place = next(_movable(statistic, claims))
    moved = term(_at(statistic, place), claims.metric)
    levels = np.array([_level(statistic, place, value) for value in wanted])
    found: dict[str, Variant] = {}
    for variant, metric, window in terms(statistic, claims.metric):
        known = found.setdefault(variant, Variant({}, {}))
        here = (variant, metric, window) == moved
        if window == SETTING:
            _set(known.settings, metric, levels[0] if here else LEVEL)
            metric = "any"
        curve = known.metrics.setdefault(metric, _flat(claims, len(wanted)))
        if here and window != SETTING:
            curve.values[:, _points(claims.windows[window], curve.x)] = levels[:, None]
    return found


def _movable(statistic: Expression, claims: Claims, place: Address = ()) -> Iterator[Address]:
    """Places of the terms that can be moved: not those at an extremum, which is where the curve has it."""
    if isinstance(statistic, str):
        window = term(statistic, claims.metric)[2]
        if window == SETTING or claims.windows[window].extremum is None:
            yield place
    elif not is_number(statistic):
        for k, operand in enumerate(operation(statistic)[1]):
            yield from _movable(operand, claims, (*place, k))


def _at(statistic: Expression, place: Address) -> Expression:
    for k in place:
        statistic = operation(statistic)[1][k]
    return statistic


def _value(statistic: Expression) -> float:
    """The statistic when all its terms have the same level."""
    if isinstance(statistic, str):
        return LEVEL
    if is_number(statistic):
        return float(statistic)
    name, operands = operation(statistic)
    values = [_value(operand) for operand in operands]
    if name == "spread":
        return max(values) - min(values)
    return values[0] - values[1] if name == "difference" else values[0] / values[1]


def _level(statistic: Expression, place: Address, wanted: float) -> float:
    """The level of the term at a place for which the statistic is as wanted."""
    if not place:
        return wanted
    name, operands = operation(statistic)
    others = [_value(operand) for k, operand in enumerate(operands) if k != place[0]]
    inner = {
        ("difference", 0): lambda: others[0] + wanted,
        ("difference", 1): lambda: others[0] - wanted,
        ("ratio", 0): lambda: others[0] * wanted,
        ("ratio", 1): lambda: others[0] / wanted,
        ("spread", place[0]): lambda: (
            min(others) + wanted
        ),  # becomes the worst, so wanted must not be negative
    }[name, place[0]]()
    return _level(operands[place[0]], place[1:], inner)


def _flat(claims: Claims, seeds: int) -> Curves:
    """A curve of [seed, point] at the level, over all that the windows of the claims speak of."""
    spans = [(w.start, w.stop) for w in claims.windows.values() if w.start is not None and w.stop is not None]
    if spans:
        first, end = min(start for start, _ in spans), max(stop for _, stop in spans)
        step = float(math.gcd(*(int(edge - first) for span in spans for edge in span)))
        while end - first < FEWEST * step:
            step /= 2
    else:  # points, counted from 1
        first, end, step = 1, 1 + max(w.points[1] for w in claims.windows.values() if w.points), 1
    x = np.arange(first, end, step, dtype=float)
    return Curves(np.arange(seeds), x, np.full((seeds, len(x)), LEVEL))


def _points(window: Window, x: np.ndarray) -> np.ndarray:
    """Mask [point] of a window that is no extremum."""
    if window.start is not None and window.stop is not None:
        return (x >= window.start) & (x < window.stop)
    index = np.arange(len(x))
    if window.points is not None:
        return (index >= window.points[0] - 1) & (index < window.points[1])
    assert window.last is not None
    return index >= len(x) - window.last


def _set(settings: dict, key: str, value: float) -> None:
    """Set `network.hidden.0` in nested dicts and lists."""
    *path, last = key.split(".")
    for name, following in zip(path, (*path[1:], last), strict=True):
        settings = settings.setdefault(name, [LEVEL] * (int(following) + 1) if following.isdigit() else {})
    settings[int(last) if isinstance(settings, list) else last] = value

"""Statistics of claims: one number per seed, paired by seed across variants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perennial.claims.data import Curves, Results
from perennial.claims.expression import SETTING, Expression, is_number, operation, term, terms
from perennial.claims.statement import Claims, Window
from perennial.claims.windows import NotRun, around, extremum, halves, published_place, select, spacing


@dataclass
class Sample:
    """Per-seed values of one statistic.

    Attributes:
        seeds, values: shape [seed].
        places: for terms around an extremum: text -> coordinates of the window's centre (one per half).
        units: of the first term.
        diverged: how many of the seeds have a run that diverged.
    """

    seeds: np.ndarray
    values: np.ndarray
    places: dict[str, list[float]] = field(default_factory=dict)
    units: str = ""
    diverged: int = 0


def evaluate(expression: Expression, claims: Claims, results: Results) -> Sample:
    """The statistic of every seed that all its variants have.

    Raises:
        NotRun: a variant, metric, seed or stretch of the stream is missing.
    """
    found = terms(expression, claims.metric)
    curves = {
        (variant, name): (_setting if window == SETTING else _curves)(results, variant, name)
        for variant, name, window in found
    }
    seeds = _common([c.seeds for c in curves.values()])
    if len(seeds) == 0:
        raise NotRun(f"{', '.join(sorted({v for v, _, _ in found}))} have no seed in common")
    sample = Sample(seeds, np.empty(0), units=curves[found[0][:2]].units)
    paired = {key: _rows(c, seeds) for key, c in curves.items()}
    shown = {variant for variant, _, window in found if window != SETTING}
    gone = frozenset[int]().union(*(results[variant].diverged for variant in shown))
    sample.diverged = sum(int(seed) in gone for seed in seeds)
    sample.values = _values(expression, claims, paired, sample)
    return sample


def _curves(results: Results, variant: str, metric: str) -> Curves:
    if variant not in results:
        raise NotRun(f"variant {variant} has no results at this scale")
    if metric not in results[variant].metrics:
        raise NotRun(f"variant {variant} has no metric {metric}")
    return results[variant].metrics[metric]


def _setting(results: Results, variant: str, key: str) -> Curves:
    """A recorded setting as a curve of one point, the same for every seed."""
    if variant not in results or not results[variant].metrics:
        raise NotRun(f"variant {variant} has no results at this scale")
    value: Any = results[variant].settings
    for step in key.split("."):
        inside = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            inside = value[int(step)]
        value = inside
    if not is_number(value):
        raise NotRun(f"variant {variant} has no number as its setting {key}")
    seeds = next(iter(results[variant].metrics.values())).seeds
    return Curves(seeds, np.zeros(1), np.full((len(seeds), 1), float(value)), axis="setting")


def _common(lists: list[np.ndarray]) -> np.ndarray:
    seeds = lists[0]
    for other in lists[1:]:
        seeds = np.intersect1d(seeds, other)
    return np.sort(seeds)


def _rows(curves: Curves, seeds: np.ndarray) -> Curves:
    rows = np.searchsorted(curves.seeds, seeds)
    return Curves(seeds, curves.x, curves.values[rows], curves.units, curves.axis)


Paired = dict[tuple[str, str], Curves]


def _values(expression: Expression, claims: Claims, paired: Paired, sample: Sample) -> np.ndarray:
    if is_number(expression):
        return np.full(len(sample.seeds), float(expression))
    if isinstance(expression, str):
        variant, metric, window = term(expression, claims.metric)
        if window == SETTING:
            return paired[variant, metric].values[:, 0]
        return _term(variant, metric, paired[variant, metric], claims.windows[window], claims, sample)
    name, operands = operation(expression)
    columns = [_values(operand, claims, paired, sample) for operand in operands]
    if name == "difference":
        return columns[0] - columns[1]
    if name == "ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            return columns[0] / columns[1]
    return _spread(np.stack(columns, axis=1))


def _spread(columns: np.ndarray) -> np.ndarray:
    """Worst (largest) minus best of the columns [seed, variant]; the other half says which they are."""
    values = np.empty(len(columns))
    for mine in halves(len(columns)):
        mean = columns[~mine].mean(axis=0)
        values[mine] = columns[mine, np.argmax(mean)] - columns[mine, np.argmin(mean)]
    return values


def _term(
    variant: str, metric: str, curves: Curves, window: Window, claims: Claims, sample: Sample
) -> np.ndarray:
    if window.extremum is None:
        return curves.values[:, select(window, curves)].mean(axis=1)
    key = f"{variant}, {window.text}"
    if window.place == "published":
        centre = published_place(variant, metric, window, claims)
        if centre is None:
            raise NotRun(f"no published curve of {variant} to place its {window.extremum}")
        centre_index = int(np.argmin(abs(curves.x - centre)))
        if abs(curves.x[centre_index] - centre) > spacing(curves.x):
            raise NotRun(f"the runs of {variant} end before {window.text}")
        sample.places[key] = [float(curves.x[centre_index])]
        return around(curves.values, centre_index, window.width).mean(axis=1)
    values = np.empty(len(curves.values))
    sample.places[key] = []
    for mine in halves(len(values)):
        index = extremum(curves.values[~mine].mean(axis=0), window)
        if index is None:
            raise NotRun(f"the curve of {variant} is too short or not finite: no {window.extremum}")
        sample.places[key].append(float(curves.x[index]))
        values[mine] = around(curves.values[mine], index, window.width).mean(axis=1)
    return values


def describe(expression: Expression, claims: Claims) -> str:
    """The statistic as a person reads it."""
    if is_number(expression):
        return f"{expression:g}"
    if isinstance(expression, str):
        variant, metric, window = term(expression, claims.metric)
        if window == SETTING:
            return f"{metric} of {variant}"
        return f"{metric} of {variant} ({claims.windows[window].text})"
    name, operands = operation(expression)
    words: list[str] = [describe(operand, claims) for operand in operands]
    if name == "spread":
        return f"largest minus smallest (chosen on the other half of the seeds) of: {'; '.join(words)}"
    joined = " minus " if name == "difference" else " divided by "
    simple = [not isinstance(operand, dict) for operand in operands]
    return joined.join(text if plain else f"[{text}]" for text, plain in zip(words, simple, strict=True))


def number(value: float) -> str:
    """Six significant digits, the form of every number in a CSV; empty when there is none."""
    return "" if not math.isfinite(value) else f"{value + 0.0:.6g}"

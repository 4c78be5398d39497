"""The same statistics, of the published curves: what a claim's number is held against."""

from __future__ import annotations

import numpy as np

from perennial.claims.curves import Series
from perennial.claims.data import Curves
from perennial.claims.expression import SETTING, Expression, is_number, operation, term
from perennial.claims.statement import Claims, Window
from perennial.claims.windows import NotRun, published_lines, published_place, select


def published_value(expression: Expression, claims: Claims) -> tuple[float, str] | None:
    """The statistic of the published means and how it is bounded: `""`, `">"` or `"<"`; None when unreadable.

    Points above the printed axis enter at the axis limit and make the value a lower bound.
    """
    if is_number(expression):
        return float(expression), ""
    if isinstance(expression, str):
        variant, metric, name = term(expression, claims.metric)
        if name == SETTING:
            return None
        return _published_term(variant, metric, claims.windows[name], claims)
    name, operands = operation(expression)
    values = [published_value(operand, claims) for operand in operands]
    if name == "spread" or any(value is None for value in values):
        return None
    (a, above_a), (b, above_b) = values  # type: ignore[misc]
    if name == "ratio":
        return (a / b, "") if not above_a and not above_b and b else None
    turned = {"": "", ">": "<", "<": ">"}[above_b]
    if above_a and turned and above_a != turned:
        return None
    return a - b, above_a or turned


def _published_term(variant: str, metric: str, window: Window, claims: Claims) -> tuple[float, str] | None:
    found = (
        _of_line(line, variant, metric, window, claims) for line in published_lines(variant, metric, claims)
    )
    return next((value for value in found if value is not None), None)


def _of_line(
    line: Series, variant: str, metric: str, window: Window, claims: Claims
) -> tuple[float, str] | None:
    """The term on one digitised curve; None where the curve does not cover its window."""
    mean = line.mean if line.clipped_above is None else np.where(line.above, line.clipped_above, line.mean)
    mask: np.ndarray
    if window.extremum:
        centre = published_place(variant, metric, window, claims) if window.place == "published" else None
        if centre is None:
            return None
        middle = int(np.argmin(abs(line.x - centre)))
        mask = abs(np.arange(len(line.x)) - middle) <= window.width // 2
    else:
        try:
            mask = select(window, Curves(np.zeros(1), line.x, mean[None]))
        except NotRun:
            return None
    read = mask & np.isfinite(mean)
    if not read.any():
        return None
    share = np.gradient(line.x) if len(line.x) > 1 else np.ones(1)  # points may lie unevenly
    return float(np.average(mean[read], weights=share[read])), ">" if (line.above & read).any() else ""

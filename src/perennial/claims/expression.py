"""Expressions: how a statistic is written. Their grammar stands in `statement.py`."""

from __future__ import annotations

from numbers import Real
from typing import Any

Expression = Any  # a term as text, a number, or a mapping with one of OPERATIONS
OPERATIONS = ("difference", "ratio", "spread")
SETTING = ""  # stands for the window of a term that is a recorded setting


def is_number(expression: Expression) -> bool:
    return isinstance(expression, Real) and not isinstance(expression, bool)


def terms(expression: Expression, headline: str | None) -> list[tuple[str, str, str]]:
    """All (variant, metric, window name) of an expression, in reading order; a number is none.

    A term without a metric is of the headline's. For a recorded setting the metric is its dotted key and the
    window == SETTING.
    """
    if is_number(expression):
        return []
    if isinstance(expression, str):
        return [term(expression, headline)]
    _, operands = operation(expression)
    return [found for operand in operands for found in terms(operand, headline)]


def term(text: str, headline: str | None) -> tuple[str, str, str]:
    """Split `variant [metric] @ window`, or `variant part.setting`."""
    left, separator, window = text.partition("@")
    words = left.split()
    if not separator and len(words) == 2 and "." in words[1]:
        return words[0], words[1], SETTING
    if not separator or len(words) not in (1, 2) or not window.strip():
        raise ValueError(f"'{text}' is not of the form 'variant [metric] @ window' or 'variant part.setting'")
    metric = words[1] if len(words) == 2 else headline
    if metric is None:
        raise ValueError(f"'{text}' names no metric and the experiment has no headline")
    return words[0], metric, window.strip()


def operation(expression: Expression) -> tuple[str, list[Expression]]:
    """Name and operands of a compound expression."""
    if isinstance(expression, dict) and len(expression) == 1:
        name, operands = next(iter(expression.items()))
        if name in OPERATIONS and isinstance(operands, list) and (len(operands) == 2 or name == "spread"):
            return name, operands
    raise ValueError(f"'{expression}' is not a term or one of: {', '.join(OPERATIONS)} with a list of terms")

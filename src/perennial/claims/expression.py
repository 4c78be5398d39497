"""Expressions: how a statistic is written. Their grammar stands in `statement.py`."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perennial.claims.statement import Claims

Expression = Any  # a term as text, a number, or a mapping with one of OPERATIONS
OPERATIONS = ("difference", "ratio", "spread")
SETTING = ""  # stands for the window of a term that is a recorded setting


def is_number(expression: Expression) -> bool:
    return isinstance(expression, Real) and not isinstance(expression, bool)


def terms(expression: Expression, claims: Claims) -> list[tuple[str, str, str]]:
    """All (variant, metric, window name) of an expression, in reading order; a number is none.

    For a recorded setting the metric is its dotted key and the window == SETTING.
    """
    if is_number(expression):
        return []
    if isinstance(expression, str):
        return [term(expression, claims)]
    _, operands = operation(expression)
    return [found for operand in operands for found in terms(operand, claims)]


def term(text: str, claims: Claims) -> tuple[str, str, str]:
    """Split `variant [metric] @ window`, or `variant part.setting`."""
    left, separator, window = text.partition("@")
    words = left.split()
    if not separator and len(words) == 2 and "." in words[1]:
        return words[0], words[1], SETTING
    if not separator or len(words) not in (1, 2) or not window.strip():
        raise ValueError(f"'{text}' is not of the form 'variant [metric] @ window' or 'variant part.setting'")
    if len(words) == 1 and claims.headline is None:
        raise ValueError(f"'{text}' names no metric and the experiment has no headline")
    metric = words[1] if len(words) == 2 else claims.headline.metric  # type: ignore[union-attr]
    return words[0], metric, window.strip()


def operation(expression: Expression) -> tuple[str, list[Expression]]:
    """Name and operands of a compound expression."""
    if isinstance(expression, dict) and len(expression) == 1:
        name, operands = next(iter(expression.items()))
        if name in OPERATIONS and isinstance(operands, list) and (len(operands) == 2 or name == "spread"):
            return name, operands
    raise ValueError(f"'{expression}' is not a term or one of: {', '.join(OPERATIONS)} with a list of terms")

"""Student's t: how far the mean of few seeds may be off. The one place where an interval's width comes from."""

from __future__ import annotations

from scipy import special

LEVEL = 0.95


def quantile(n: int) -> float:
    """Two-sided 95 % quantile of Student's t for a mean of n values; not a number below two."""
    return float(special.stdtrit(n - 1, 0.5 + LEVEL / 2)) if n > 1 else float("nan")

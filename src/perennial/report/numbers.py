"""Numbers as people read them."""

from __future__ import annotations

import math
import re

NAMED = 20  # of many names
LONG = 1e15  # longer numbers are written with an exponent
MINUS, NARROW, DASH = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}", "\N{EN DASH}"


def number(value: float | None, spread: float | None = None) -> str:
    """A number with as many decimals as its spread deserves (two figures of it), or three figures."""
    if value is None or not math.isfinite(value):
        return DASH
    if not spread or not math.isfinite(spread) or abs(value) >= LONG:
        return f"{value:.3g}".replace("-", MINUS)
    decimals = min(6, max(0, 1 - math.floor(math.log10(abs(spread)))))
    return f"{value:,.{decimals}f}".replace(",", NARROW).replace("-", MINUS)


def interval(low: float | None, high: float | None) -> str:
    """`[1.15, 1.27]`, or nothing when there is none."""
    if low is None or high is None:
        return ""
    return f"[{number(low, (high - low) / 2)}, {number(high, (high - low) / 2)}]"


def estimate(part: dict) -> str:
    """The estimate of a claim or part, with the decimals its interval deserves."""
    low, high = part.get("low"), part.get("high")
    return number(part.get("estimate"), None if low is None or high is None else (high - low) / 2)


def band(given: dict | None) -> str:
    """`1.14 to 1.30`, `above 1.14`, `below 0.9`, or nothing."""
    low, high = (given or {}).get("low"), (given or {}).get("high")
    if low is None and high is None:
        return ""
    if high is None:
        return f"above {number(low)}"
    if low is None:
        return f"below {number(high)}"
    spread = (high - low) / 2
    return f"{number(low, spread)} to {number(high, spread)}"


def minus(text: str) -> str:
    """Text with true minus signs before its numbers, and true comparison signs."""
    text = text.replace(">=", "\N{GREATER-THAN OR EQUAL TO}").replace("<=", "\N{LESS-THAN OR EQUAL TO}")
    return re.sub(r"(?<![\w.])-(?=[\d.])", MINUS, text)


def seconds(value: float | None) -> str:
    """`48 s`, `12 min`, `3.4 h`, `2.1 days`."""
    if value is None or not math.isfinite(value):
        return DASH
    for limit, size, unit in ((100, 1, "s"), (6000, 60, "min"), (172800, 3600, "h")):
        if value < limit:
            return f"{value / size:.3g} {unit}" if value else "0 s"
    return f"{value / 86400:.3g} days"


def memory(value: float | None) -> str:
    """Bytes as `234 MB` or `1.2 GB`."""
    if not value or not math.isfinite(value):
        return DASH
    return f"{value / 1e6:.0f} MB" if value < 1e9 else f"{value / 1e9:.2g} GB"


def count(value: float | None) -> str:
    """A count as `90 million` or `8 100`."""
    if value is None or not math.isfinite(value):
        return DASH
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g} {word}"
    return f"{value:,.0f}".replace(",", NARROW)


def several(labels: list[str]) -> str:
    """Names, the first of many."""
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return ", ".join(labels[:NAMED]) + more


def told(differences: dict[str, list[str]]) -> str:
    """`engines fused, stacked; git states 0123456789ab, ...`: commits and checksums as far as people need."""
    shown = {words: [_short(value) for value in values] for words, values in differences.items()}
    return "; ".join(f"{words} {', '.join(values)}" for words, values in shown.items())


def _short(value: str) -> str:
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{4,52}\b", r"\1", value)


def name(text: str) -> str:
    """`squared_error` -> `Squared error`."""
    plain = text.replace("_", " ")
    return plain[:1].upper() + plain[1:]

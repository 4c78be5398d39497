"""Small inline pictures for the verdict table: our interval against the published band. Plain SVG text.

The numbers stand in the table as text, so the pictures are hidden from screen readers.
"""

from __future__ import annotations

from markupsafe import Markup

WIDTH, HEIGHT = 168, 26
SYMBOLS = {
    "reproduced": '<path d="M4 8.6l2.7 2.7L12 5.4"/>',
    "contradicted": '<path d="M4.8 4.8l6.4 6.4M11.2 4.8l-6.4 6.4"/>',
    "inconclusive": '<path d="M3.6 9.2c1.5-2.4 2.9-2.4 4.4-.9s2.9 1.5 4.4-.9"/>',
    "not run": '<path d="M5 8h6"/>',
    "better": '<path d="M8 12V4.4M4.6 7.6L8 4.2l3.4 3.4"/>',
    "worse": '<path d="M8 4v7.6M4.6 8.4L8 11.8l3.4-3.4"/>',
}


def slug(verdict: str) -> str:
    """A verdict as a CSS class."""
    return verdict.replace(" ", "-") or "none"


def symbol(verdict: str) -> Markup:
    """A sign for a verdict, so that colour is never the only carrier."""
    shape = SYMBOLS.get(verdict, SYMBOLS["not run"])
    return Markup(f'<svg class="sign" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg>')


def whisker(part: dict, dots: bool = False) -> Markup:
    """Our interval (line), estimate (dot) and, if asked, every seed, over the band that would reproduce.

    Args:
        part: a claim or part of `claims/{experiment}.json`.
        dots: also show the seeds' own values.
    """
    if part.get("estimate") is None:
        return Markup("")
    band = part.get("band") or {}
    low, high = band.get("low"), band.get("high")
    values = [v for _, v in part.get("values") or [] if v is not None] if dots else []
    at = _scale([part["estimate"], part.get("low"), part.get("high"), low, high, part.get("margin"), *values])
    height = HEIGHT + (12 if values else 0)
    pieces = [f'<svg class="whisker" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" ',
              'aria-hidden="true" focusable="false">']  # fmt: skip
    if low is not None or high is not None:
        left, right = (0 if low is None else at(low)), (WIDTH if high is None else at(high))
        wide = max(1.5, right - left)
        pieces.append(f'<rect class="band" x="{left:.1f}" y="2" width="{wide:.1f}" height="22"/>')
        pieces += [_tick("edge", at(end), 2, 24) for end in (low, high) if end is not None]
    pieces.append(f'<path class="axis" d="M0 13H{WIDTH}"/>')
    if part.get("low") is not None and part.get("high") is not None:
        pieces.append(f'<path class="ours" d="M{at(part["low"]):.1f} 13H{at(part["high"]):.1f}"/>')
    pieces.append(f'<circle class="ours" cx="{at(part["estimate"]):.1f}" cy="13" r="4"/>')
    pieces += [_tick("seed", at(value), height - 9, height - 1) for value in values]
    return Markup("".join(pieces) + "</svg>")


def _tick(kind: str, x: float, top: float, bottom: float) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {top}V{bottom}"/>'


def _scale(points: list[float | None]):
    known = [p for p in points if p is not None]
    low, high = min(known), max(known)
    pad = 0.14 * (high - low) or max(abs(high), 1e-9) * 0.1
    low, high = low - pad, high + pad
    return lambda value: WIDTH * (value - low) / (high - low)

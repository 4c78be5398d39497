"""Figures inside the report: the SVG files themselves, with the page's colours and no clashing ids."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from perennial.figures import _style
from perennial.report import svg

LARGEST = 2 << 20  # bytes of a picture
ROLES = {_style.INK: "ink", _style.FAINT: "faint", _style.GRID: "grid", _style.PAPER: "paper"}


def inline(path: Path, name: str, title: str, about: str) -> Markup:
    """A figure's SVG as part of the page: it follows light and dark, and is named for screen readers.

    Args:
        path: the SVG file.
        name: the figure's name; made a prefix of all ids.

    Raises:
        ValueError: it is no SVG, or too large for a page.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST:
        raise ValueError(f"is larger than {LARGEST >> 20} MiB, too much for the page")
    text = svg.clean(path.read_text(encoding="utf-8"))
    text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = _themed(text)
    label = escape(f"{title}. {about}")
    opening = f'<svg role="img" aria-label="{label}" class="picture" preserveAspectRatio="xMidYMid meet"'
    text = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", text, count=2)
    return Markup(text.replace("<svg", opening, 1))


def _themed(text: str) -> str:
    """Fixed colours -> variables of the style sheet; the darker published hues turn pale on dark paper."""
    for colour, role in ROLES.items():
        text = text.replace(colour, f"var(--figure-{role}, {colour})")
    for colour in (*_style.CYCLE, *_style.SPARE, _style.GREY):
        dark, pale = _style.darker(colour), _style.paler(colour)
        text = text.replace(dark, f"light-dark({dark}, {pale})")
    return text

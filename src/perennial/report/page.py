"""The report's HTML: the template filled, with style, script and data inlined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from perennial.report import marks, numbers

FOLDER = Path(__file__).parent


def html(context: dict[str, Any]) -> str:
    """One self-contained page for what `gather.gather` found."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals.update(
        number=numbers.number, interval=numbers.interval, estimate=numbers.estimate,
        band=numbers.band, minus=numbers.minus, seconds=numbers.seconds, memory=numbers.memory,
        count=numbers.count, plain=numbers.name, told=numbers.told, several=numbers.several, symbol=marks.symbol,
        slug=marks.slug, whisker=marks.whisker,
    )  # fmt: skip
    inlined = {
        "style": Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        "script": Markup((FOLDER / "script.js").read_text(encoding="utf-8")),
        "data": _json(context["curves"]),
        "own_record": _json(context["record"]),
    }
    return environment.get_template("template.html").render(**context, **inlined)


def _json(data: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))

"""Published curves are the numbers that were read off the figures: one checksum for each file.

A checksum is over the numbers alone (x, mean, standard error, what lies above the printed axis, where that axis
ends), so that a file may be laid out anew and its notes mended. Who reads a figure anew, or adds one, puts the line
that the failed test prints into `curves.sha256`, and says in the commit what was read and from where.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import layout

PINNED = Path(__file__).with_name("curves.sha256")
NUMBERS = ("mean", "se", "above", "clipped_above")


def plain(value: Any) -> Any:
    """Numbers as floats, so that 1 and 1.0 are the same; null and what is left out are None."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return None if value is None else float(value)


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of the numbers of one file as JSON with sorted keys."""
    series = {
        name: {key: plain(line.get(key)) for key in NUMBERS} for name, line in content["series"].items()
    }
    text = json.dumps({"x": plain(content["x"]), "series": series}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def pinned() -> dict[str, str]:
    """Figure -> checksum."""
    lines = [line.split() for line in PINNED.read_text(encoding="utf-8").splitlines()]
    return {figure: digest for digest, figure in lines}


def test_every_file_of_published_curves_has_its_pinned_numbers():
    found = {figure: checksum(content) for figure, content in layout.curves().items()}
    changed = [f"{found[figure]}  {figure}" for figure in found if found[figure] != pinned().get(figure)]
    assert not changed, f"other numbers than {PINNED.name} has, or no line there:\n" + "\n".join(changed)


def test_every_pinned_file_is_there():
    assert set(pinned()) == set(layout.curves())


def test_the_checksum_sees_numbers_and_no_layout():
    content = {
        "x": [0, 1],
        "notes": ["read twice"],
        "series": {"relu_0.01": {"mean": [0.5, None], "above": [1], "clipped_above": 1.2, "panel": "relu"}},
    }
    line = content["series"]["relu_0.01"]
    same = {"series": {"relu_0.01": {**line, "se": None, "panel": "ReLU"}}, "x": [0.0, 1.0]}
    assert checksum(same) == checksum(content)
    for change in ({"mean": [0.55, None]}, {"above": []}, {"clipped_above": 1.3}, {"se": [0.03, None]}):
        assert checksum(content | {"series": {"relu_0.01": line | change}}) != checksum(content)
    assert checksum(content | {"x": [0, 2]}) != checksum(content)

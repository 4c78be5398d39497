"""Numbers read off published figures, as data: curves (JSON) and claims (YAML), each with its source.

A curve point that could not be read is NaN. It is either a hole (hidden by a label or another line) or lies
above the printed axis; `Series.above` tells the two apart, so that clipped points are never averaged away.
"""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perennial.errors import UserError

FOLDER = Path(__file__).parent


class UnknownCurve(UserError, LookupError):
    """No such figure or series; the message lists those there are."""


@dataclass(frozen=True, eq=False)
class Series:
    """One published curve.

    Attributes:
        name: for example `relu_0.01`.
        x: coordinates, shape [point].
        mean: values, shape [point]; NaN where the point could not be read.
        se: one standard error, shape [point]; None when it was not read off.
        clipped_above: upper end of the printed axis, when the curve's panel cuts curves off.
        above: shape [point]; True where the point lies above `clipped_above`.
        x_label, y_label: what the axes show.
        read_off: size of the reading error, in units of y.
        source: where the numbers come from.
    """

    name: str
    x: np.ndarray
    mean: np.ndarray
    se: np.ndarray | None
    clipped_above: float | None
    above: np.ndarray
    x_label: str
    y_label: str
    read_off: float
    source: str


def figures() -> list[str]:
    """Names of the figures with digitised curves, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def names(figure: str) -> list[str]:
    """Names of the curves of a figure, in the order of the file."""
    return list(_read(figure)["series"])


def series(figure: str) -> dict[str, Series]:
    """All curves of a figure by name, in the order of the file.

    Raises:
        UnknownCurve: one line with the figures there are.
    """
    data = _read(figure)
    return {name: _series(name, entry, data) for name, entry in data["series"].items()}


def curve(figure: str, name: str) -> Series:
    """One curve of a figure.

    Raises:
        UnknownCurve: one line with the names there are.
    """
    data = _read(figure)
    if name not in data["series"]:
        raise UnknownCurve(_unknown(f"series of {figure}", name, list(data["series"])))
    return _series(name, data["series"][name], data)


@functools.cache
def _read(figure: str) -> dict[str, Any]:
    if figure not in figures():
        raise UnknownCurve(_unknown("digitised figures", figure, figures()))
    return json.loads((FOLDER / f"{figure}.json").read_text(encoding="utf-8"))


def _series(name: str, entry: dict[str, Any], data: dict[str, Any]) -> Series:
    mean = np.array(entry["mean"], dtype=float)  # None becomes NaN
    above = np.zeros(len(mean), dtype=bool)
    above[entry["above"]] = True
    errors = entry.get("se")
    return Series(
        name=name,
        x=np.array(data["x"], dtype=float),
        mean=mean,
        se=None if errors is None else np.array(errors, dtype=float),
        clipped_above=entry["clipped_above"],
        above=above,
        x_label=data["x_label"],
        y_label=data["y_label"],
        read_off=float(data["read_off"]),
        source=data["source"],
    )


def _unknown(what: str, name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"'{name}' is not one of the {what}: {', '.join(allowed)}{hint}"

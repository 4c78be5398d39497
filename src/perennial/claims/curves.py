"""Curves read off published figures: `curves/{figure}.json` in the folder of an experiment, each with its source.

A curve point that could not be read is NaN. It is either a hole (hidden by a label or another line) or lies
above the printed axis; `Series.above` tells the two apart, so that clipped points are never averaged away.
"""

from __future__ import annotations

import fnmatch
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perennial import registry
from perennial.errors import UserError

FOLDER = "curves"
_studies: list[Path] = []  # folders of the studies that were loaded


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


@dataclass(frozen=True)
class Published:
    """The digitised figures that an experiment can read: `curves/*.json`, in its own folder first.

    Then come the other experiments of its study, then those of the other studies: the first file of a name counts.

    Attributes:
        home: the experiment's folder; None: no figures.
        only: names or patterns of the figures meant.
    """

    home: Path | None = None
    only: tuple[str, ...] = ("*",)

    def files(self) -> dict[str, Path]:
        """Name of each figure -> its file, sorted by name."""
        if self.home is None:
            return {}
        studies = [self.home.parent, *(study for study in _studies if study != self.home.parent)]
        folders = [
            self.home / FOLDER,
            *(path for study in studies for path in sorted(study.glob(f"*/{FOLDER}"))),
        ]
        found: dict[str, Path] = {}
        for path in (path for folder in folders for path in folder.glob("*.json")):
            if any(fnmatch.fnmatchcase(path.stem, pattern) for pattern in self.only):
                found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def names(self, figure: str) -> list[str]:
        """Names of the curves of a figure, in the order of the file.

        Raises:
            UnknownCurve: one line with the figures there are.
        """
        return list(self._read(figure)["series"])

    def series(self, figure: str) -> dict[str, Series]:
        """All curves of a figure by name, in the order of the file.

        Raises:
            UnknownCurve: one line with the figures there are.
        """
        data = self._read(figure)
        return {name: _series(name, entry, data) for name, entry in data["series"].items()}

    def curve(self, figure: str, name: str) -> Series:
        """One curve of a figure.

        Raises:
            UnknownCurve: one line with the figures, or the curves, there are.
        """
        data = self._read(figure)
        if name not in data["series"]:
            raise UnknownCurve(_unknown(f"series of {figure}", name, list(data["series"])))
        return _series(name, data["series"][name], data)

    def _read(self, figure: str) -> dict[str, Any]:
        files = self.files()
        if figure not in files:
            raise UnknownCurve(_unknown("digitised figures", figure, list(files)))
        return _parsed(files[figure])


def beside(figure_file: str, *only: str) -> Published:
    """The curves that a figure in an experiment's folder draws; it says `CURVES = curves.beside(__file__, ...)`.

    Args:
        figure_file: `{experiment}/figures/{figure}.py`.
        only: names or patterns of the digitised figures that it reads; an edit of these draws it again.
    """
    return Published(Path(figure_file).resolve().parents[1], only)


def add_study(folder: Path) -> None:
    """Let experiments of other studies read the curves of this one."""
    if (folder := Path(folder).resolve()) not in _studies:
        _studies.append(folder)


@functools.cache
def _parsed(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


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
    return f"'{name}' is not one of the {what}: {', '.join(allowed)}{registry.nearest(name, allowed)}"

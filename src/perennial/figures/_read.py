"""Read one metric of a metrics file, with errors that name the file and what it lacks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perennial import registry
from perennial.errors import UserError
from perennial.files import identity, provenance, store

if TYPE_CHECKING:
    import h5py


class FigureError(UserError, ValueError):
    """A figure cannot be drawn. One line: the file, what is missing, what is there."""


@dataclass(frozen=True)
class Metric:
    """Per-seed values of one metric of one variant: `values` [seed, *axes]."""

    values: np.ndarray
    coordinates: dict[str, np.ndarray]  #: axis name -> [points]; in the order of the axes
    units: str
    description: str
    settings: dict
    variant: str

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(self.values)

    @property
    def x(self) -> np.ndarray:
        """Coordinates of the first axis."""
        return next(iter(self.coordinates.values()))

    def over_layers(self) -> Metric:
        """The same metric, averaged over every axis after the first: values [seed, x]."""
        rest = tuple(range(2, self.values.ndim))
        first = dict([next(iter(self.coordinates.items()))])
        values = self.values.mean(rest) if rest else self.values
        return Metric(values, first, self.units, self.description, self.settings, self.variant)

    def binned(self, size: int) -> Metric:
        """Means over `size` neighbouring points of the only axis; a last, shorter bin is left out."""
        bins = self.values.shape[1] // size
        if size <= 1 or bins == 0:
            return self
        values = self.values[:, : bins * size].reshape(self.seeds, bins, size).mean(2)
        (axis, x), *_ = self.coordinates.items()
        middle = x[: bins * size].reshape(bins, size).mean(1)
        return Metric(values, {axis: middle}, self.units, self.description, self.settings, self.variant)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean over seeds [*axes]; not a number where a seed diverged."""
        return self.values.mean(0)

    @cached_property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """95 % interval of the mean (Student's t over seeds); not a number for a single seed."""
        from perennial.analyses import student

        return self._around(student.quantile(self.seeds))

    @cached_property
    def error(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean minus and plus one standard error; not a number for a single seed."""
        return self._around(1.0)

    def _around(self, errors: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean minus and plus so many standard errors [*axes]."""
        if self.seeds < 2:
            nothing = np.full_like(self.mean, np.nan)
            return nothing, nothing
        with np.errstate(invalid="ignore"):  # a diverged seed has no interval
            reach = errors * self.values.std(0, ddof=1) / np.sqrt(self.seeds)
        return self.mean - reach, self.mean + reach


def read(path: Path, name: str) -> Metric:
    """One metric of a metrics file.

    Raises:
        FigureError: the file is bad or has no such metric.
    """
    with _open(path) as file:
        if name not in file:
            present = sorted(key for key in file if "values" in file[key])
            hint = registry.nearest(name, present)
            raise FigureError(f"{path}: has no metric '{name}' (has: {', '.join(present) or 'none'}){hint}")
        return from_file(file, name)


def from_file(file: h5py.File, name: str) -> Metric:
    """One metric of an open metrics file."""
    group = file[name]
    return Metric(
        values=np.asarray(group["values"], np.float64),
        coordinates={axis: group[axis][:] for axis in json.loads(group.attrs["axes"])},
        units=str(group.attrs.get("units", "")),
        description=str(group.attrs.get("description", "")),
        settings=json.loads(file.attrs["settings"]),
        variant=str(file.attrs["variant"]),
    )


def settings(path: Path) -> dict:
    """The settings of the variant in a metrics file.

    Raises:
        FigureError: the file is bad.
    """
    with _open(path) as file:
        return json.loads(file.attrs["settings"])


def record(name: str, metrics: dict[tuple[str, str], Path], output: Path, code: str) -> dict:
    """What a picture says about itself: the settings of all that it shows, and the checksums of their files.

    Args:
        output: from whose folder the files are named.

    Raises:
        FigureError: a file is bad.
    """
    shown, inputs = {}, {}
    for pair, path in metrics.items():
        with _open(path) as file:
            if reason := identity.mismatch(file.attrs, "metrics", *pair):
                raise FigureError(f"{path}: {reason}")
            shown["/".join(pair)] = json.loads(file.attrs["settings"])
            inputs[provenance.name_from(output, path)] = provenance.checksum(file)
    about = {"figure": name, "variants": shown}
    libraries = ("matplotlib", "seaborn", "scipy")
    return provenance.record("figure", about, code, inputs, engine="matplotlib", libraries=libraries)


def _open(path: Path):
    try:
        return store.open_checked(path)
    except store.BadFile as error:
        raise FigureError(str(error)) from None

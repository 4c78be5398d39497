"""Series in a run file: what each seed measured, and where. results/README.md shows the layout.

`seed_0007/{measure}` holds the values. Coordinates of an axis lie in `coordinates/{measure}/{axis}`, once for all
seeds; where runs differ in their points (`ragged`), that is a group with an array for each seed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py

DIVERGED = "diverged_at"  #: attribute of a seed whose run diverged: the update at which it was first seen
NAMED = 5  # diverged runs that are named
ATTRIBUTES = ("units", "description", "source")


@dataclass(frozen=True)
class Stored:
    """One measure of one seed."""

    name: str
    values: np.ndarray  # [point, *axes]
    coordinates: dict[str, np.ndarray]  # in the order of the axes
    attributes: dict[str, str]
    ragged: bool

    @property
    def axes(self) -> list[str]:
        """Names of the axes, the one of the points first."""
        return list(self.coordinates)


def group_of(seed: int) -> str:
    """`seed_0007`."""
    return f"seed_{seed:04d}"


def diverged(steps: np.ndarray, seeds: list[int]) -> dict[int, int]:
    """Seed -> update at which its run was first seen to have diverged; those that did not are left out.

    Args:
        steps: by seed; negative where it did not. Shorter than the seeds where nothing learns.
    """
    return {seed: int(step) for seed, step in zip(seeds, steps, strict=False) if step >= 0}


def told(diverged: dict[int, int], runs: int) -> str:
    """`2 of 30 runs diverged (...): seed 3 from update 120, ...`, for people; empty where none did.

    Args:
        diverged: seed -> update.
    """
    if not diverged:
        return ""
    first = [f"seed {seed} from update {step:,}" for seed, step in sorted(diverged.items())]
    more = f" and {len(first) - NAMED} more" if len(first) > NAMED else ""
    counts = f"{len(first)} of {runs} run{'s' * (runs != 1)} diverged (loss or weights are no finite numbers)"
    return f"{counts}: {', '.join(first[:NAMED])}{more}"


def write(file: h5py.File, series: Any, seeds: list[int]) -> None:
    """Write a `perennial.procedures.Series` of these seeds into an open run file."""
    axes = [series.axis, *series.axes]
    for r, seed in enumerate(seeds):
        data = file.require_group(group_of(seed)).create_dataset(
            series.name, data=series.values[r], chunks=True
        )
        data.attrs["axes"] = json.dumps(axes)
        for key in ATTRIBUTES:
            data.attrs[key] = getattr(series, key)
        if series.ragged:
            data.attrs["ragged"] = True
            path = f"coordinates/{series.name}/{series.axis}/{group_of(seed)}"
            file.create_dataset(path, data=series.positions[r])
    if not series.ragged:
        file.create_dataset(f"coordinates/{series.name}/{series.axis}", data=series.positions[0])
    for axis, values in series.axes.items():
        file.create_dataset(f"coordinates/{series.name}/{axis}", data=values)


def read(file: h5py.File, seed: int, measure: str | None = None) -> Iterator[Stored]:
    """The series of one seed of an open run file, by name; only one measure if it is named.

    Raises:
        KeyError: the file lacks the seed, or something that its series need.
    """
    for name, data in file[group_of(seed)].items():
        if measure not in (None, name):
            continue
        ragged = bool(data.attrs.get("ragged", False))
        coordinates = {}
        for axis in json.loads(data.attrs["axes"]):
            node = file[f"coordinates/{name}/{axis}"]
            coordinates[axis] = np.asarray((node[group_of(seed)] if hasattr(node, "items") else node)[...])
        attributes = {key: str(data.attrs.get(key, "")) for key in ATTRIBUTES}
        yield Stored(name, np.asarray(data[...]), coordinates, attributes, ragged)

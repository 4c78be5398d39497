"""Metrics files as the claims see them: one curve per seed, other axes averaged away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perennial import store
from perennial.claims.statement import ClaimError


@dataclass(frozen=True, eq=False)
class Curves:
    """One metric of one variant.

    Attributes:
        seeds: shape [seed], ascending.
        x: coordinates of the first axis, shape [point].
        values: shape [seed, point]; further axes (layers) are averaged.
        units, axis: as stored.
    """

    seeds: np.ndarray
    x: np.ndarray
    values: np.ndarray
    units: str = ""
    axis: str = "point"


@dataclass(frozen=True)
class Variant:
    """Results of one variant: curves by metric, its settings and the seeds that were planned."""

    metrics: Mapping[str, Curves]
    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: tuple[int, ...] = ()


Results = Mapping[str, Variant]


def read(files: Mapping[str, Path]) -> dict[str, Variant]:
    """Read the metrics files of an experiment, by variant.

    Raises:
        ClaimError: one line that names the first file that is missing, bad or incomplete.
    """
    return {variant: _variant(Path(path)) for variant, path in files.items()}


def _variant(path: Path) -> Variant:
    try:
        with store.open_checked(path) as file:
            seeds = np.asarray(file.attrs["seeds"], dtype=np.int64)
            metrics = {
                name: _curves(group, seeds) for name, group in sorted(file.items()) if "values" in group
            }
            return Variant(
                metrics=metrics,
                settings=json.loads(file.attrs["settings"]),
                planned=tuple(int(seed) for seed in file.attrs["planned_seeds"]),
            )
    except store.BadFile as error:
        raise ClaimError(str(error)) from None
    except (KeyError, ValueError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ClaimError(f"{path}: is not a metrics file of this version ({reason})") from None


def _curves(group: Any, seeds: np.ndarray) -> Curves:
    values = np.asarray(group["values"][...], dtype=np.float64)
    if values.shape[0] != len(seeds):
        raise ValueError(f"{group.name} has {values.shape[0]} rows for {len(seeds)} seeds")
    axes = json.loads(group.attrs["axes"])
    if not axes:  # one number per seed: a curve of one point
        x, axis = np.zeros(1), "point"
    else:
        axis = axes[0]
        x = np.asarray(group[axis][...], dtype=np.float64)
    flat = values.reshape(len(seeds), len(x), -1).mean(axis=2)
    order = np.argsort(
        seeds, kind="stable"
    )  # equal inputs give equal bytes, in whatever order they were stored
    return Curves(seeds[order], x, flat[order], str(group.attrs.get("units", "")), axis)

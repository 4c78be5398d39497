"""Metrics files as the claims see them: one curve per seed and metric.

A metric with layers is there as their mean, layer by layer as `dead_units[1]`, and, where it counts dimensions,
as `effective_rank%`: the mean of the layers in percent of their widths. One with epochs is there as their mean, and
as `test_accuracy_by_epoch^`: the epochs until a task's best.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perennial.claims.statement import ClaimError
from perennial.files import identity, provenance, store


@dataclass(frozen=True, eq=False)
class Curves:
    """One metric of one variant, as we measured it.

    Attributes:
        seeds: shape [seed], ascending.
        x: coordinates of the first axis, shape [point].
        values: shape [seed, point].
        units, axis: as stored.
    """

    seeds: np.ndarray
    x: np.ndarray
    values: np.ndarray
    units: str = ""
    axis: str = "point"


@dataclass(frozen=True)
class Variant:
    """Results of one variant.

    Attributes:
        metrics: curves by metric.
        settings: canonical.
        planned: seeds.
        checksum: of its file.
        diverged: seeds whose runs did.
    """

    metrics: Mapping[str, Curves]
    settings: Mapping[str, Any] = field(default_factory=dict)
    planned: tuple[int, ...] = ()
    checksum: str = ""
    diverged: frozenset[int] = frozenset()


Results = Mapping[str, Variant]

SMOOTH = 5  # epochs
NEAR = 1.0  # points: two of the 200 test images


def read(files: Mapping[str, Path], experiment: str = "") -> dict[str, Variant]:
    """Read the metrics files of an experiment, by variant; of another experiment's by `experiment/variant`.

    Raises:
        ClaimError: one line that names the first file that is missing, bad, incomplete, or another variant's.
    """
    return {name: _variant(Path(path), experiment, name) for name, path in files.items()}


def _variant(path: Path, experiment: str, name: str) -> Variant:
    owner, _, variant = name.rpartition("/")
    try:
        with store.open_checked(path) as file:
            if reason := identity.mismatch(file.attrs, "metrics", owner or experiment, variant):
                raise ClaimError(f"{path}: {reason}")
            seeds = np.asarray(file.attrs["seeds"], dtype=np.int64)
            settings = json.loads(file.attrs["settings"])
            widths = settings.get("network", {}).get("hidden", [])
            metrics: dict[str, Curves] = {}
            for name, group in sorted(file.items()):
                if "values" in group:
                    metrics |= {name + ending: found for ending, found in _curves(group, seeds, widths)}
            return Variant(
                metrics=metrics,
                settings=settings,
                planned=tuple(int(seed) for seed in file.attrs["planned_seeds"]),
                checksum=provenance.checksum(file),
                diverged=frozenset(map(int, json.loads(file.attrs.get("diverged", "{}")))),
            )
    except store.BadFile as error:
        raise ClaimError(str(error)) from None
    except (KeyError, ValueError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ClaimError(f"{path}: is not a metrics file of this version ({reason})") from None


def _curves(group: Any, seeds: np.ndarray, widths: list[int]) -> Iterator[tuple[str, Curves]]:
    """(ending of the metric's name, curve): the mean over further axes, each layer, percent of the widths."""
    values = np.asarray(group["values"][...], dtype=np.float64)
    if values.shape[0] != len(seeds):
        raise ValueError(f"{group.name} has {values.shape[0]} rows for {len(seeds)} seeds")
    axes = json.loads(group.attrs["axes"])
    if not axes:  # one number per seed: a curve of one point
        x, axis = np.zeros(1), "point"
    else:
        axis = axes[0]
        x = np.asarray(group[axis][...], dtype=np.float64)
    # Equal inputs give equal bytes, in whatever order the seeds were stored.
    order = np.argsort(seeds, kind="stable")
    layers = values.reshape(len(seeds), len(x), -1)[order]  # [seed, point, layer]
    units = str(group.attrs.get("units", ""))
    mean = layers.mean(axis=2) if layers.shape[2] else np.full(layers.shape[:2], np.nan)  # no hidden layers
    yield "", Curves(seeds[order], x, mean, units, axis)
    if axes[1:] == ["epoch"]:
        yield "^", Curves(seeds[order], x, epochs_to_best(layers, group["epoch"][...]), "epochs", axis)
    if axes[1:] != ["layer"] or not layers.shape[2]:
        return
    for k, layer in enumerate(group["layer"][...]):
        yield f"[{layer:g}]", Curves(seeds[order], x, layers[:, :, k], units, axis)
    if units == "dimensions" and layers.shape[2] == len(widths):
        share = 100 * (layers / np.array(widths)).mean(axis=2)
        yield "%", Curves(seeds[order], x, share, "percent of the width", axis)


def epochs_to_best(values: np.ndarray, epochs: np.ndarray) -> np.ndarray:
    """The first epoch at which a task is about as good as it gets: within NEAR of its best. [seed, task].

    Both are of means of SMOOTH neighbouring epochs, so that a lucky epoch is not the best. NaN where a value is none.

    Args:
        values: accuracy in percent after each epoch, shape [seed, task, epoch].
        epochs: their numbers, shape [epoch].
    """
    width = min(SMOOTH, values.shape[2])
    smooth = np.lib.stride_tricks.sliding_window_view(values, width, axis=2).mean(axis=3)
    with np.errstate(invalid="ignore"):
        near = smooth >= smooth.max(axis=2, keepdims=True) - NEAR
    first = epochs[near.argmax(axis=2) + width // 2].astype(np.float64)  # the middle of the stretch
    return np.where(np.isfinite(values).all(axis=2), first, np.nan)

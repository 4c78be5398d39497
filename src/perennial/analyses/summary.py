"""Statistics over seeds: run files of one variant become one metrics file.

Only the wanted seeds are read. Every number is finite or honestly not: a diverged seed makes the mean NaN.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perennial.analyses import bins, student
from perennial.errors import UserError
from perennial.files import identity, provenance, series, store


class SummaryError(UserError, ValueError):
    """Run files that do not make one summary. The message is one line that names the file and the reason."""


@dataclass
class _Metric:
    """One metric while it is gathered: arrays by seed, and what must agree between the files."""

    axes: list[str]
    coordinates: dict[str, np.ndarray]
    attributes: dict[str, str]
    values: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass
class _Gathered:
    experiment: str
    variant: str
    metrics: dict[str, _Metric] = field(default_factory=dict)
    settings: str | None = None
    first: Path | None = None  # the file that the others are held against
    roots: list[dict[str, Any]] = field(default_factory=list)  # root attributes of the files used
    seeds: set[int] = field(default_factory=set)
    diverged: dict[int, int] = field(default_factory=dict)  # seed -> the update at which it was first seen
    inputs: dict[Path, str] = field(default_factory=dict)  # the files used -> checksum


def summarise(
    run_files: Iterable[Path],
    seeds: Sequence[int],
    planned: Sequence[int],
    output: Path,
    experiment: str,
    variant: str,
    code: str = "",
) -> None:
    """Write the metrics file of one variant.

    Args:
        run_files: blocks of runs; they may hold more seeds than wanted.
        seeds: seeds to summarise; every one must be there.
        planned: seeds of the study, for "k of n seeds".
        output: the metrics file; per metric `values` [seed, *axes], `mean`, `standard_error` (sd with n - 1,
            over root n), `low` and `high` (95 % Student t interval; NaN with one seed), one dataset per axis.
        experiment, variant: stored, and named in errors.
        code: hash of the code of this stage.

    Raises:
        SummaryError: one line: a bad file, a run of another variant, settings or shapes that differ, a missing or
            non-numeric entry.
    """
    name = f"{experiment}/{variant}"
    wanted = sorted({int(seed) for seed in seeds})
    if not wanted:
        raise SummaryError(f"{name}: no seeds to summarise")
    gathered = _Gathered(experiment, variant)
    for path in sorted(map(Path, run_files)):
        _gather(path, set(wanted), gathered)
    missing = [seed for seed in wanted if seed not in gathered.seeds]
    if missing:
        raise SummaryError(f"{name}: no run of seed {identity.listed(missing)} in the given run files")
    for metric, found in gathered.metrics.items():
        absent = [seed for seed in wanted if seed not in found.values]
        if absent:
            raise SummaryError(f"{name}: metric {metric} is missing for seed {identity.listed(absent)}")
    inputs = {provenance.name_from(output, path): found for path, found in gathered.inputs.items()}
    made = provenance.record(
        "metrics", json.loads(gathered.settings or "{}"), code, inputs, libraries=("scipy",)
    )
    about = {
        "experiment": experiment,
        "variant": variant,
        "seeds": np.array(wanted, dtype=np.int64),
        "diverged": json.dumps(gathered.diverged, sort_keys=True),
        "planned_seeds": np.array(sorted({int(s) for s in planned}), dtype=np.int64),
    }
    _write(Path(output), wanted, gathered.metrics, about | _of_runs(gathered.roots), made)


def _gather(path: Path, wanted: set[int], gathered: _Gathered) -> None:
    try:
        with store.open_checked(path) as file:
            if reason := identity.mismatch(file.attrs, "run", gathered.experiment, gathered.variant):
                raise SummaryError(f"{path}: {reason}")
            held = {int(seed) for seed in file.attrs["seeds"]}
            mine = sorted((held & wanted) - gathered.seeds)  # a seed held twice is the same run: take it once
            if not mine:
                return
            _same_settings(path, str(file.attrs["settings"]), gathered)
            gathered.roots.append(dict(file.attrs))
            gathered.inputs[path] = provenance.checksum(file)
            for seed in mine:
                if (step := file[series.group_of(seed)].attrs.get(series.DIVERGED)) is not None:
                    gathered.diverged[seed] = int(step)
                for found in series.read(file, seed):
                    _add(path, seed, found, gathered)
            gathered.seeds.update(mine)
    except store.BadFile as error:
        raise SummaryError(str(error)) from None
    except (KeyError, json.JSONDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SummaryError(f"{path}: is not a run file of this version ({reason})") from None


def _same_settings(path: Path, settings: str, gathered: _Gathered) -> None:
    if gathered.settings is None:
        gathered.settings, gathered.first = settings, path
    elif different := list(identity.differing(json.loads(settings), json.loads(gathered.settings))):
        keys = ", ".join(key for key, _, _ in different)
        raise SummaryError(f"{path}: its settings differ from those of {gathered.first} in {keys}")


def _add(path: Path, seed: int, found: series.Stored, gathered: _Gathered) -> None:
    metric, values, coordinates, axes = found.name, found.values, found.coordinates, found.axes
    if values.dtype.kind not in "fiub":
        raise SummaryError(f"{path}: seed {seed}, {metric}: holds {values.dtype}, not numbers")
    shape = tuple(len(coordinates[axis]) for axis in axes)
    if values.shape != shape:
        raise SummaryError(f"{path}: seed {seed}, {metric}: shape {values.shape} but its axes have {shape}")
    if found.ragged:
        settings = json.loads(gathered.settings or "{}")
        every = settings["measures"][metric]["every"]
        values, coordinates = bins.of_series(found, every, settings["length"])
    known = gathered.metrics.setdefault(metric, _Metric(axes, coordinates, found.attributes))
    same = known.axes == axes and all(np.array_equal(known.coordinates[a], coordinates[a]) for a in axes)
    if not same:
        raise SummaryError(f"{path}: seed {seed}, {metric}: its axes differ from those of {gathered.first}")
    known.values[seed] = values.astype(np.float64)


def statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, standard error and 95 % Student t interval over the first axis of [seed, *axes], float64."""
    n = len(values)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = values.mean(axis=0)
        if n == 1:
            unknown = np.full_like(mean, np.nan)
            return {"mean": mean, "standard_error": unknown, "low": unknown, "high": unknown}
        error = values.std(axis=0, ddof=1) / np.sqrt(n)
        half = student.quantile(n) * error
        return {"mean": mean, "standard_error": error, "low": mean - half, "high": mean + half}


def _write(
    output: Path, seeds: list[int], metrics: dict[str, _Metric], about: dict[str, Any], made: dict[str, Any]
) -> None:
    def fill(file: Any) -> None:
        file.attrs.update(about)
        for metric, found in sorted(metrics.items()):
            group = file.create_group(metric)
            group.attrs["axes"] = json.dumps(found.axes)
            for key, text in found.attributes.items():
                group.attrs[key] = text
            values = np.stack([found.values[seed] for seed in seeds])
            for name, array in {"values": values, **statistics(values), **found.coordinates}.items():
                group.create_dataset(name, data=array)
        provenance.finish(file, made)

    store.write(output, fill)


def _of_runs(roots: list[dict[str, Any]]) -> dict[str, Any]:
    """How the runs were made: all that differs between the blocks, summed times, the largest memory."""
    trained: dict[str, Any] = {}
    for key in ("engine", "device", "git", "code", "data_sha256"):
        trained[key] = sorted({str(root[key]) for root in roots if root.get(key)})
    versions: dict[str, set[str]] = {}
    for root in roots:
        for package, version in json.loads(root.get("versions", "{}")).items():
            versions.setdefault(package, set()).add(str(version))
    trained["versions"] = {package: sorted(found) for package, found in versions.items()}
    merged: dict[str, Any] = {"trained": json.dumps(trained, sort_keys=True)}
    for key in ("wall_seconds", "cpu_seconds", "run_steps"):
        merged[key] = sum(root.get(key, 0) for root in roots)
    merged["peak_memory_bytes"] = max((root.get("peak_memory_bytes", 0) for root in roots), default=0)
    return merged

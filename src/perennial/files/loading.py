"""Results as a table: `perennial.load()` gives one row per number of every seed.

The file is not called load.py: importing a module of that name would hide the function behind it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from perennial.errors import UserError
from perennial.files import identity, series, store

if TYPE_CHECKING:
    import pandas

KEYS = ["experiment", "variant", "seed", "metric"]
MADE = ["settings", "code", "data"]  # short digests of what runs were made from

Stale = Literal["error", "drop", "keep"]


class MixedRuns(UserError, ValueError):
    """Runs of one variant that were not made alike, or lie under another variant's name. One line names two files."""


@dataclass(frozen=True)
class _Block:
    """A run file, and what its runs were made from."""

    path: Path
    settings: str  # as JSON text in one order
    code: str
    data: str

    @property
    def made(self) -> tuple[str, str, str]:
        return self.settings, self.code, self.data

    @property
    def columns(self) -> dict[str, str]:
        """Digests as the table shows them."""
        short = hashlib.sha256(self.settings.encode()).hexdigest()[:8]
        return dict(zip(MADE, (short, self.code[:8], self.data[:8]), strict=True))


def load(
    results: str | Path = "results/laptop",
    experiment: str | None = None,
    variant: str | None = None,
    metric: str | None = None,
    stale: Stale = "error",
) -> pandas.DataFrame:
    """Per-seed results as a tidy table, straight from the run files.

    Args:
        results: results folder of one scale.
        experiment, variant, metric: keep only this one; None keeps all.
        stale: what to do where runs of one variant were trained with different settings, code or data, as when seeds
            were added after a change. "error": raise. "drop": keep those that the variant's metrics file was made
            of. "keep": all, told apart by the columns settings, code and data.

    Returns:
        Columns experiment, variant, seed, metric, with stale="keep" settings, code and data (short digests), one per
        axis (task, example, layer, ...; NaN where a metric does not have it) and value. Rows are sorted by experiment,
        variant, metric, seed.

    Raises:
        FileNotFoundError: there is no such folder, or nothing in it matches; the message lists what there is.
        MixedRuns: see `stale`; or a file holds runs of another variant than the one whose folder it lies in.
        store.BadFile: a run file cannot be trusted.
    """
    import pandas

    if stale not in get_args(Stale):
        raise ValueError(f"stale: '{stale}' (allowed: {', '.join(get_args(Stale))})")
    runs = Path(results) / "runs"
    files = sorted(runs.glob(f"{experiment or '*'}/{variant or '*'}/seeds_*.h5"))
    if not files:
        raise FileNotFoundError(_nothing(runs, experiment, variant))
    keys = KEYS + (MADE if stale == "keep" else [])
    tables, seen, metrics = [], set(), set()
    for block in _chosen(files, stale):
        names = (block.path.parent.parent.name, block.path.parent.name)
        for seed, name, columns in _series(block.path, metric, metrics):
            row = dict(zip(KEYS, (*names, seed, name), strict=True)) | block.columns
            key = tuple(row[column] for column in keys)
            if key not in seen:  # a seed in two blocks is the same run
                seen.add(key)
                tables.append(pandas.DataFrame({column: row[column] for column in keys} | columns))
    if not tables:
        raise FileNotFoundError(f"{runs}: no metric '{metric}'; there are: {', '.join(sorted(metrics))}")
    table = pandas.concat(tables, ignore_index=True)
    axes = [column for column in table.columns if column not in (*keys, "value")]
    order = ["experiment", "variant", "metric", "seed"]
    table = table.sort_values(order, kind="stable", ignore_index=True)  # stable: points keep their order
    return table[[*keys, *axes, "value"]]


def _chosen(files: list[Path], stale: Stale) -> Iterator[_Block]:
    """The run files to read, variant by variant."""
    folders = dict.fromkeys(path.parent for path in files)
    for folder in folders:
        blocks = [_block(path) for path in files if path.parent == folder]
        first, others = blocks[0], [block for block in blocks if block.made != blocks[0].made]
        if stale == "error" and others:
            ways = 'stale="drop" takes the current runs, stale="keep" marks all'
            raise MixedRuns(f"{others[0].path}: {_difference(others[0], first)}; {ways}")
        if stale == "drop" and others:
            current = _current(folder)
            blocks = [block for block in blocks if block.made == current]
            if not blocks:
                raise MixedRuns(f"{folder}: holds none of the runs that its metrics file was made of")
        yield from blocks


def _block(path: Path) -> _Block:
    """What a run file says about its runs.

    Raises:
        MixedRuns: they are of another variant.
    """
    with store.open_checked(path) as file:
        about = dict(file.attrs)
    if reason := identity.mismatch(about, "run", path.parent.parent.name, path.parent.name):
        raise MixedRuns(f"{path}: {reason}")
    settings = json.dumps(json.loads(about.get("settings", "{}")), sort_keys=True)
    return _Block(path, settings, str(about.get("code", "")), str(about.get("data_sha256", "")))


def _current(folder: Path) -> tuple[str, str, str]:
    """What the runs that the variant's metrics file was made of were made from.

    Raises:
        MixedRuns: it is not there, or was made of runs that were not made alike.
    """
    path = folder.parents[2] / "metrics" / folder.parent.name / f"{folder.name}.h5"
    advice = 'finish the study, or use load(..., stale="keep")'
    if not path.is_file():
        raise MixedRuns(f"{folder}: which runs are current is not known: {path} is not there; {advice}")
    with store.open_checked(path) as file:
        about = dict(file.attrs)
    if reason := identity.mismatch(about, "metrics", folder.parent.name, folder.name):
        raise MixedRuns(f"{path}: {reason}")
    trained = json.loads(about.get("trained", "{}"))
    code, data = (trained.get(key) or [""] for key in ("code", "data_sha256"))
    if len(code) > 1 or len(data) > 1:
        raise MixedRuns(f"{path}: was made of runs of different code or data; {advice}")
    return json.dumps(json.loads(about.get("settings", "{}")), sort_keys=True), code[0], data[0]


def _difference(block: _Block, other: _Block) -> str:
    """`was trained with other settings than FILE (algorithm.step_size: 0.3, not 0.01)`."""
    if block.settings != other.settings:
        different = identity.differing(json.loads(block.settings), json.loads(other.settings))
        words = [f"{key}: {own}, not {theirs}" for key, own, theirs in different]
        return f"was trained with other settings than {other.path} ({'; '.join(words[: identity.SHOWN])})"
    return f"was trained {'by other code' if block.code != other.code else 'on other data'} than {other.path}"


def _series(path: Path, metric: str | None, metrics: set[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(seed, metric, columns) of one run file that was checked; `metrics` gathers every name met."""
    import h5py

    with h5py.File(path, "r") as file:
        for seed in sorted(int(s) for s in file.attrs["seeds"]):
            for found in series.read(file, seed, metric):
                yield seed, found.name, _columns(found.axes, list(found.coordinates.values()), found.values)
            metrics.update(file[series.group_of(seed)])


def _columns(axes: list[str], grids: list[np.ndarray], values: np.ndarray) -> dict[str, Any]:
    """One flat column per axis, and the values, all in C order."""
    spread = np.meshgrid(*grids, indexing="ij") if axes else []
    columns = {axis: grid.ravel() for axis, grid in zip(axes, spread, strict=True)}
    return columns | {"value": np.atleast_1d(values).ravel().astype(np.float64)}


def _nothing(runs: Path, experiment: str | None, variant: str | None) -> str:
    """What was looked for, and what there is."""
    if not runs.is_dir():
        return f"{runs}: no such folder; results of a scale lie in results/{{scale}}"
    experiments = sorted(folder.name for folder in runs.iterdir() if folder.is_dir())
    if experiment not in (None, *experiments):
        return f"{runs}: no experiment '{experiment}'; there are: {', '.join(experiments)}"
    variants = sorted({folder.name for folder in runs.glob(f"{experiment or '*'}/*") if folder.is_dir()})
    return f"{runs}: no variant '{variant}' with finished runs; there are: {', '.join(variants)}"

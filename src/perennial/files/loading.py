"""Results as a table: `perennial.load()` gives one row per number of every seed.

The file is not called load.py: importing a module of that name would hide the function behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial.files import series, store

if TYPE_CHECKING:
    import pandas

KEYS = ["experiment", "variant", "seed", "metric"]


def load(
    results: str | Path = "results/laptop",
    experiment: str | None = None,
    variant: str | None = None,
    metric: str | None = None,
) -> pandas.DataFrame:
    """Per-seed results as a tidy table, straight from the run files.

    Args:
        results: results folder of one scale.
        experiment, variant, metric: keep only this one; None keeps all.

    Returns:
        Columns experiment, variant, seed, metric, one per axis (task, example, layer, ...; NaN where a metric
        does not have it) and value. Rows are sorted by experiment, variant, metric, seed.

    Raises:
        FileNotFoundError: there is no such folder, or nothing in it matches; the message lists what there is.
        store.BadFile: a run file cannot be trusted.
    """
    import pandas

    runs = Path(results) / "runs"
    files = sorted(runs.glob(f"{experiment or '*'}/{variant or '*'}/seeds_*.h5"))
    if not files:
        raise FileNotFoundError(_nothing(runs, experiment, variant))
    tables, seen, metrics = [], set(), set()
    for path in files:
        names = (path.parent.parent.name, path.parent.name)
        for seed, name, columns in _series(path, metric, metrics):
            if (*names, seed, name) not in seen:  # a seed in two blocks is the same run
                seen.add((*names, seed, name))
                tables.append(pandas.DataFrame(dict(zip(KEYS, (*names, seed, name), strict=True)) | columns))
    if not tables:
        raise FileNotFoundError(f"{runs}: no metric '{metric}'; there are: {', '.join(sorted(metrics))}")
    table = pandas.concat(tables, ignore_index=True)
    axes = [column for column in table.columns if column not in (*KEYS, "value")]
    order = ["experiment", "variant", "metric", "seed"]
    table = table.sort_values(order, kind="stable", ignore_index=True)  # stable: points keep their order
    return table[[*KEYS, *axes, "value"]]


def _series(path: Path, metric: str | None, metrics: set[str]) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(seed, metric, columns) of one run file; `metrics` gathers every name met."""
    with store.open_checked(path) as file:
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

"""Per-seed curves small enough to travel inside the report: 16-bit numbers, thinned to a budget."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from perennial.claims.statement import Claims
from perennial.claims.windows import published_lines
from perennial.figures import _read
from perennial.report.numbers import name as plain

BUDGET = 3_000_000  #: bytes of base64 text for all curves together
MOST_POINTS = 1000
FEWEST_POINTS = 60
LARGEST = 1e300  #: so far values are shown as they are: their span must be a number
HOLE = 65535  #: stands for "not a number"


def curves(files: dict[tuple[str, str], Any], budget: int = BUDGET) -> dict[str, Any]:
    """All per-seed curves of the given metrics files, as one JSON-able dict.

    Args:
        files: (experiment, variant) -> open, checked HDF5 file.
        budget: at most about so many bytes of text; curves are thinned (means over neighbours), then seeds
            are left out, and both are said in the result.

    Returns:
        {"experiments": {experiment: {"measures": {...}, "variants": {...}}}, "points", "seeds_shown"}.
    """
    return packed({pair: measured(file) for pair, file in files.items()}, budget)


def measured(file: Any) -> dict[str, Any]:
    """All curves of an open metrics file, and its seeds.

    Raises:
        ValueError, KeyError, TypeError: it is no metrics file of this version.
    """
    seeds = [int(seed) for seed in file.attrs["seeds"]]
    found = _measures(file)
    for key, one in found.items():
        values, x = one["values"], one["x"]
        if values.shape != (len(seeds), len(x)) or not len(x):
            raise ValueError(
                f"{key} has the shape {list(values.shape)} for {len(seeds)} seeds and {len(x)} points"
            )
        if x.dtype.kind not in "fiu" or not (np.abs(x.astype(float)) < LARGEST).all():
            raise ValueError(f"{key}: its coordinates are no numbers that can be shown")
    return {"seeds": seeds, "measures": found}


def packed(found: dict[tuple[str, str], dict[str, Any]], budget: int = BUDGET) -> dict[str, Any]:
    """What `measured` read of (experiment, variant), as `curves` gives it."""
    whole = {pair: one["measures"] for pair, one in found.items()}
    arrays = [m["values"] for found in whole.values() for m in found.values()]
    points, seeds = _fit(arrays, budget)
    experiments: dict[str, Any] = {}
    for (experiment, variant), measures in whole.items():
        entry = experiments.setdefault(experiment, {"measures": {}, "variants": {}})
        shown = {"seeds": found[experiment, variant]["seeds"][:seeds], "data": {}}
        for key, measure in measures.items():
            x, values = thin(measure["x"], measure["values"][:seeds], points)
            entry["measures"].setdefault(key, {k: measure[k] for k in ("label", "units", "axis")})
            shown["data"][key] = {**pack(values), "x": _spaced(x)}
        entry["variants"][variant] = shown
    most = max((len(a) for a in arrays), default=0)
    longest = max((a.shape[1] for a in arrays), default=0)
    return {"experiments": experiments, "points": points if longest > points else None,
            "seeds_shown": seeds if most > seeds else None}  # fmt: skip


def _measures(file: Any) -> dict[str, dict]:
    """key -> {values [seed, x], x, label, units, axis}: layers apart and as their mean."""
    found: dict[str, dict] = {}
    for metric in sorted(key for key in file if "values" in file[key]):
        read = _read.from_file(file, metric)
        if read.values.ndim < 2:
            continue
        axis = next(iter(read.coordinates))
        rest = [a for a in read.coordinates if a != axis]
        base = {"x": read.x, "units": read.units, "axis": axis}
        label = plain(metric)
        found[metric] = {**base, "values": read.over_layers().values, "label": label}
        if len(rest) == 1:
            found[metric]["label"] = f"{label}, mean of {rest[0]}s"
        if rest == ["layer"]:  # of epochs there are too many to look at one by one
            for k, coordinate in enumerate(read.coordinates[rest[0]]):
                one = f"{label}, {rest[0]} {coordinate:g}"
                found[f"{metric}/{k}"] = {**base, "values": read.values[:, :, k], "label": one}
    return found


def _fit(arrays: list[np.ndarray], budget: int) -> tuple[int, int]:
    """The number of points and of seeds per curve that fit the budget."""
    points, seeds = MOST_POINTS, max((len(a) for a in arrays), default=1)

    def size() -> float:
        return sum(min(len(a), seeds) * min(a.shape[1], points) for a in arrays) * 2 * 4 / 3

    while size() > budget and points > FEWEST_POINTS:
        points = max(FEWEST_POINTS, points // 2)
    while size() > budget and seeds > 3:
        seeds -= 1
    return points, seeds


def thin(x: np.ndarray, values: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over as many neighbours as needed for at most `points` points; x is the middle of each bin."""
    width = -(-len(x) // points)
    if width == 1:
        return x, values
    starts = np.arange(0, len(x), width)
    sizes = np.diff(np.append(starts, len(x)))
    middle = np.add.reduceat(x.astype(float), starts) / sizes
    with np.errstate(over="ignore", invalid="ignore"):  # of a run that diverges
        return middle, np.add.reduceat(values, starts, axis=1) / sizes


def pack(values: np.ndarray) -> dict[str, Any]:
    """[seed, x] as 16-bit steps between the lowest and the highest finite value, in base64."""
    finite = np.isfinite(values)
    values = np.clip(values, -LARGEST, LARGEST)
    low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    steps = np.full(values.shape, HOLE, "<u2")
    span = (high - low) or 1.0
    steps[finite] = np.rint((values[finite] - low) / span * (HOLE - 1))
    text = base64.b64encode(steps.tobytes()).decode("ascii")
    return {"low": low, "span": span, "rows": values.shape[0], "columns": values.shape[1], "text": text}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """What the reader's browser sees of `pack`: [seed, x]."""
    steps = np.frombuffer(base64.b64decode(packed["text"]), "<u2").reshape(packed["rows"], packed["columns"])
    return np.where(steps == HOLE, np.nan, packed["low"] + packed["span"] * (steps / (HOLE - 1)))


def _spaced(x: np.ndarray) -> list[float] | dict[str, float]:
    """Even coordinates as start and step, others as they are."""
    steps = np.diff(x.astype(float))
    if len(steps) and np.allclose(steps, steps[0]):
        return {"start": float(x[0]), "step": float(steps[0])}
    return [float(v) for v in x]


def printed(claims: Claims, ours: dict[str, Any]) -> dict[str, dict]:
    """Published curves of an experiment's headline, which lie under ours: variant -> {measure, x, mean, above, end}.

    Only those that have our coordinates; of several curves of a variant the one that goes on farthest.

    Args:
        ours: the experiment's measures and variants, from `curves`.
    """
    measure = claims.headline.metric if claims.headline else ""
    axis = ours["measures"].get(measure, {}).get("axis", "none")
    found = {}
    for variant in ours["variants"]:
        lines = [line for line in published_lines(variant, measure, claims) if axis in line.x_label]
        if lines:
            line = max(lines, key=lambda line: line.x[-1])
            mean = [round(float(v), 4) if np.isfinite(v) else None for v in line.mean]
            above = [int(k) for k in np.flatnonzero(line.above)]
            found[variant] = {"measure": measure, "x": _spaced(line.x), "mean": mean, "above": above,
                              "end": line.clipped_above}  # fmt: skip
    return found

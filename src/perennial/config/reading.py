"""From a config file to a study: read, validate entry by entry, and report all mistakes at once."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perennial import registry
from perennial.config.entries import Data, ExperimentEntry, File, ScaleEntry
from perennial.config.errors import Mistakes, under
from perennial.config.files import read_yaml
from perennial.config.study import Experiment, Study
from perennial.config.variants import read_problem, read_variants

NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Names of rules and targets; an experiment or a figure with such a name could not be asked for.
RESERVED = ("all", "figures", "claims")
RESERVED += ("dataset", "sequences", "train", "metrics", "figure", "claim", "report")


def load(source: Path | str | Mapping[str, Any], file: str = "config.yaml", **changes: Any) -> Study:
    """Read and validate a config.

    Args:
        source: a file, or the mapping read from one.
        file: what messages call it when `source` is a mapping.
        changes: top-level keys that replace those of the source; None changes nothing.

    Raises:
        ConfigError: one line for each mistake.
    """
    if not isinstance(source, Mapping):
        source, file = read_yaml(Path(source)), str(source)
    source = {**source, **{key: value for key, value in changes.items() if value is not None}}
    mistakes = Mistakes(file)
    entry = mistakes.validate(File, source, under(""))
    if entry is None:
        mistakes.raise_if_any()
    assert entry is not None
    experiments = {name: _experiment(name, it, entry, mistakes) for name, it in entry.experiments.items()}
    data = mistakes.validate(Data, entry.data, under("data"))
    if entry.scale not in entry.scales:
        mistakes.unknown("scale", entry.scale, list(entry.scales))
    mistakes.raise_if_any()  # scales name variants, so these must be known first
    known = {name: experiment for name, experiment in experiments.items() if experiment is not None}
    scales = {name: _scale(name, entries, known, mistakes) for name, entries in entry.scales.items()}
    mistakes.raise_if_any()
    assert data is not None
    return Study(file, entry, known, scales, data)


def _experiment(name: str, given: Any, file: File, mistakes: Mistakes) -> Experiment | None:
    path = f"experiments.{name}"
    entry = mistakes.validate(ExperimentEntry, given, under(path))
    if not NAME.fullmatch(name) or name in RESERVED:
        rule = f"must be a-z, 0-9 and _, and none of {', '.join(RESERVED)}"
        mistakes.add(path, f"'{name}' is not allowed as a name ({rule})")
    if entry is None:
        return None
    allowed = registry.names("figures")
    for figure in entry.figures:
        if figure not in allowed:
            mistakes.unknown(f"{path}.figures", figure, allowed)
        elif figure in RESERVED:
            mistakes.add(f"{path}.figures", f"'{figure}' is not allowed (a target has this name)")
    problem = read_problem(entry, path, mistakes)
    variants = read_variants(entry, path, mistakes)
    if problem is None or variants is None:
        return None
    about = {key: getattr(entry, key) for key in ("title", "description", "figures", "all_by_default")}
    return Experiment(
        name, problem=problem, precision=entry.precision or file.precision, variants=variants, **about
    )


def _scale(name: str, entries: dict[str, Any], known: dict[str, Experiment], mistakes: Mistakes) -> dict:
    """The entries of one scale, checked against the experiments."""
    found: dict[str, ScaleEntry] = {}
    for experiment, given in entries.items():
        path = f"scales.{name}.{experiment}"
        if experiment not in known:
            mistakes.unknown(path, experiment, list(known))
            continue
        entry = mistakes.validate(ScaleEntry, given, under(path))
        if entry is None:
            continue
        variants = list(known[experiment].variants)
        for pattern in entry.variants:
            if not fnmatch.filter(variants, pattern):
                hint = registry.nearest(pattern, variants)
                mistakes.add(f"{path}.variants", f"'{pattern}' matches no variant of {experiment}{hint}")
        active = [v for v in variants if any(fnmatch.fnmatchcase(v, p) for p in entry.variants)]
        _check_length(entry.length, active, f"{path}.length", mistakes)
        found[experiment] = entry
    return found


def _check_length(length: dict[str, int], active: list[str], path: str, mistakes: Mistakes) -> None:
    """Every active variant has exactly one number of tasks."""
    for variant in active:
        fitting = [pattern for pattern in length if fnmatch.fnmatchcase(variant, pattern)]
        if len(fitting) != 1:
            what = f"all of {', '.join(fitting)} fit" if fitting else "nothing fits"
            mistakes.add(path, f"{what} the variant '{variant}' (must be one number for each variant)")

"""From config files and study folders to a study: read, validate entry by entry, and report all mistakes at once."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perennial import registry
from perennial.config import folders
from perennial.config.entries import Data, ExperimentEntry, File, ScaleEntry
from perennial.config.errors import Mistakes, under
from perennial.config.folders import Entry, Layer
from perennial.config.study import Experiment, Study, unit_of
from perennial.config.variants import Variant, read_variants, read_world
from perennial.errors import shown

NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Names of rules and targets; an experiment or a figure with such a name could not be asked for.
RESERVED = ("all", "figures", "claims")
RESERVED += ("dataset", "sequences", "train", "metrics", "figure", "claim", "report")


def load(
    source: Path | str | Mapping[str, Any] | Sequence[Layer], file: str = "config.yaml", **changes: Any
) -> Study:
    """Read and validate a config with the study folders that it names.

    Args:
        source: a file, the mapping read from one (its paths begin in the folder one stands in), or several layers.
        file: what messages call it when `source` is a mapping.
        changes: top-level keys that replace those of the source; None changes nothing.

    Raises:
        ConfigError: one line for each mistake.
    """
    if isinstance(source, Mapping):
        source = [Layer(source, file, Path())]
    elif isinstance(source, Path | str):
        source = [folders.layer(Path(source))]
    values = folders.merge(source)
    values |= {key: value for key, value in changes.items() if value is not None}
    mistakes = Mistakes(" + ".join(layer.file for layer in source))
    entry = mistakes.validate(File, values, under(""))
    if entry is None:
        mistakes.raise_if_any()
    assert entry is not None
    data = mistakes.validate(Data, entry.data, under("data"))
    found = folders.read(entry, mistakes)
    experiments = {name: _experiment(name, given, entry, mistakes) for name, given in found.items()}
    mistakes.raise_if_any()
    known = {name: experiment for name, experiment in experiments.items() if experiment is not None}
    scales = list(dict.fromkeys(scale for experiment in known.values() for scale in experiment.scales))
    if not known:
        mistakes.add(
            "studies", "there is no experiment (name a folder of studies, or give `experiments` here)"
        )
    elif entry.scale not in scales:
        mistakes.unknown("scale", entry.scale, scales)
    mistakes.raise_if_any()
    assert data is not None
    return Study(mistakes.file, entry, known, data)


def _experiment(name: str, given: Entry, file: File, mistakes: Mistakes) -> Experiment | None:
    mistakes, path = mistakes.of(given.file), given.path
    entry = mistakes.validate(ExperimentEntry, given.values, under(path))
    _check_name(name, path, mistakes)
    for figure in registry.modules(given.home / "figures") if given.home else []:
        _check_name(figure.stem, "", mistakes.of(shown(figure)))
    if entry is None:
        return None
    world = read_world(entry, path, mistakes)
    variants = read_variants(entry, path, mistakes) if world else None
    if world is None or variants is None:
        return None
    return Experiment(
        name=name,
        title=entry.title,
        description=entry.description,
        all_by_default=entry.all_by_default,
        world=world,
        precision=entry.precision or file.precision,
        variants=variants,
        scales=_scales(entry, variants, path, mistakes),
        home=given.home,
        file=given.file,
    )


def _check_name(name: str, path: str, mistakes: Mistakes) -> None:
    """Experiments and figures are targets, and parts of paths."""
    if not NAME.fullmatch(name) or name in RESERVED:
        rule = f"must be a-z, 0-9 and _, and none of {', '.join(RESERVED)}"
        mistakes.add(path, f"'{name}' is not allowed as a name ({rule})")


def _scales(
    entry: ExperimentEntry, variants: dict[str, Variant], path: str, mistakes: Mistakes
) -> dict[str, ScaleEntry]:
    """How much each scale runs, checked against the variants."""
    found: dict[str, ScaleEntry] = {}
    for scale, given in entry.scales.items():
        key_path = under(path)(f"scales.{scale}")
        much = mistakes.validate(ScaleEntry, given, under(key_path))
        if much is None:
            continue
        for pattern in much.variants:
            if not fnmatch.filter(variants, pattern):
                hint = registry.nearest(pattern, list(variants))
                mistakes.add(f"{key_path}.variants", f"'{pattern}' matches no variant{hint}")
        active = [
            v for name, v in variants.items() if any(fnmatch.fnmatchcase(name, p) for p in much.variants)
        ]
        _check_length(much.length, active, f"{key_path}.length", mistakes)
        for variant in active:
            if not any(fnmatch.fnmatchcase(variant.name, pattern) for pattern in much.seeds):
                rule = "must name or match each variant; of several the first holds"
                mistakes.add(f"{key_path}.seeds", f"nothing fits the variant '{variant.name}' ({rule})")
        found[scale] = much
    return found


def _check_length(length: dict[str, int], active: list[Variant], path: str, mistakes: Mistakes) -> None:
    """Every active variant has exactly one length."""
    for variant in active:
        fitting = [pattern for pattern in length if fnmatch.fnmatchcase(variant.name, pattern)]
        if len(fitting) != 1:
            what = f"all of {', '.join(fitting)} fit" if fitting else "nothing fits"
            rule = f"must be one number of {unit_of(variant.settings)} for each variant"
            mistakes.add(path, f"{what} the variant '{variant.name}' ({rule})")

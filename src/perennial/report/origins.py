"""How results were made: what differs within a variant or a comparison, and what is older than its inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from perennial.files import lineage, provenance

#: What is told about the runs of a variant, in words.
WORDS = {"engine": "engines", "device": "devices", "git": "git states", "code": "code", "data_sha256": "data"}
#: Two variants differ in their code by nature; its hash already tells whether a commit between them matters.
OF_VARIANTS = ("engine", "device", "git", "data_sha256")
HARMLESS = "git states"  #: the hash of the code tells whether another commit is other code

Trained = Mapping[str, Any]  #: of a metrics file: key -> distinct values over its blocks; results/README.md


def differences(several: Iterable[Trained], keys: Iterable[str] = WORDS) -> dict[str, list[str]]:
    """What is not the same everywhere: words -> its values."""
    several = list(several)
    found = {WORDS[key]: _values(trained.get(key, []) for trained in several) for key in keys}
    packages = sorted({package for trained in several for package in trained.get("versions", {})})
    for package in packages:
        versions = (trained.get("versions", {}).get(package, []) for trained in several)
        found[f"{package} versions"] = _values(versions)
    return {words: values for words, values in found.items() if len(values) > 1}


def _values(lists: Iterable[list[str]]) -> list[str]:
    return sorted({value for found in lists for value in found})


def comparisons(
    claims: list[dict], own: list[dict], trained: Mapping[tuple[str, str], Trained]
) -> list[tuple[str, dict[str, list[str]]]]:
    """Claims, and comparisons of users' own methods, whose variants were not all trained the same way.

    Args:
        trained: (experiment, variant) -> how it was trained.
    """
    sides = [
        (claim["id"], claim["experiment"], [v for part in claim["parts"] for v in part["variants"]])
        for claim in claims
    ]
    sides += [(row["id"], row["experiment"], [row["variant"], row["other"]]) for row in own]
    found = []
    for label, experiment, variants in sides:
        known = [trained[experiment, v] for v in dict.fromkeys(variants) if (experiment, v) in trained]
        if len(known) > 1 and (different := differences(known, OF_VARIANTS)):
            found.append((label, different))
    return found


def alike(found: Iterable[tuple[str, dict[str, list[str]]]]) -> list[dict[str, Any]]:
    """Labels with the same differences together: a new library under a whole study is one line."""
    groups: dict[str, dict[str, Any]] = {}
    for label, different in found:
        group = groups.setdefault(json.dumps(different), {"labels": [], "differences": different})
        group["labels"].append(label)
    return list(groups.values())


def results(folder: Path) -> list[Path]:
    """What the page is made of: metrics, claims and pictures, as far as they are there."""
    patterns = ("metrics/*/*.h5", "claims/*.json", "figures/*.svg")
    return [path for pattern in patterns for path in sorted(folder.glob(pattern))]


def outdated(folder: Path, now: Mapping[str, str]) -> list[str]:
    """Figures and claims made from other metrics files than those that are there now, a line for each.

    Args:
        now: what lies here, as named from the page: name -> checksum.
    """
    lines = []
    for path in results(folder):
        if path.suffix == ".h5":
            continue
        try:
            read = lineage.inputs(path, lineage.read(path))
        except (
            lineage.NoRecord,
            AttributeError,
            TypeError,
        ):  # made before records were kept, or something else
            continue
        names = {os.path.relpath(source, folder): recorded for source, recorded in read.items()}
        old = [name for name, recorded in names.items() if now.get(name, recorded) != recorded]
        if old:
            more = f" and {len(old) - 1} more" if len(old) > 1 else ""
            lines.append(f"{path.relative_to(folder)} was made from another version of {old[0]}{more}")
    return lines


def record(study: Any, code: str, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The page's own record."""
    about = {"scale": study.scale}
    return provenance.record("report", about, code, inputs, engine="jinja2", libraries=("jinja2",))

"""Why a whole file is not the one that the study asks for, stage by stage: in words, or None where it is.

A file says what it is and what it was made from (`perennial.files.provenance`). Every stage compares the same things:
which of its kind it is, its settings, its code, and the content of its inputs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perennial.claims import records
from perennial.config import Study
from perennial.dag import blocks, stage_code
from perennial.dag.blocks import Block
from perennial.files import identity, lineage, provenance

Settings = Mapping[str, Any]
Pairs = Mapping[tuple[str, str], Path]  #: (experiment, variant) -> metrics file


def header(path: Path, *keys: str) -> dict[str, Any]:
    """Some root attributes of a file whose seal was checked, and those that say what it is."""
    import h5py

    known = ("kind", "experiment", "variant", "seeds", "settings", "code", *keys)
    with h5py.File(path, "r") as file:
        return {key: file.attrs[key] for key in known if key in file.attrs}


def run(path: Path, settings: Settings, experiment: str, variant: str, block: Block) -> str | None:
    """Of a finished block of runs."""
    found = header(path)
    wanted = {"settings": settings, "code": stage_code.train(dict(settings)), "seeds": _seeds(found, block)}
    return identity.mismatch(found, "run", experiment, variant, **wanted)


def sequences(path: Path, settings: Settings, block: Block) -> str | None:
    """Of a block of sequences."""
    found = header(path)
    code = stage_code.sequences(dict(settings))
    return identity.mismatch(found, "sequences", settings=settings, code=code, seeds=_seeds(found, block))


def _seeds(found: Mapping[str, Any], block: Block) -> Iterable[int] | None:
    """Seeds that a block must hold; any, where it is of a version that did not say."""
    return blocks.seeds_of(block) if "seeds" in found else None


def dataset(path: Path, name: str) -> str | None:
    """Of a data set's file."""
    found, wanted = header(path, "sha256", "name"), stage_code.checksum(name)
    if (other := str(found.get("name", name))) != name:
        return f"is the data set {other}, wanted {name}"
    recorded = str(found.get("sha256", ""))
    return (
        f"holds other data (sha256 {recorded}, wanted {wanted})" if wanted not in (None, recorded) else None
    )


def other_data(path: Path, checksum: str) -> str | None:
    """Of a finished block, where the content of its data set is the user's own."""
    recorded = str(header(path, "data_sha256").get("data_sha256", ""))
    return f"was trained on other data (sha256 {recorded or 'unknown'})" if recorded != checksum else None


@dataclass
class Contents:
    """Checksums of files that stay, each computed or asked for once."""

    known: dict[Path, str] = field(default_factory=dict)

    def of(self, path: Path) -> str:
        """The checksum of a file that is there."""
        if path not in self.known:
            self.known[path] = provenance.checksum_of(path)
        return self.known[path]

    def differing(self, output: Path, recorded: Mapping[str, str], there: Iterable[Path]) -> str | None:
        """In what recorded inputs are others than those that are there: one that is not, or another version."""
        names = {provenance.name_from(output, path): path for path in there}
        for name, checksum in recorded.items():
            if name not in names:
                return f"was made from {name}, which is not wanted"
            if self.of(names[name]) != checksum:
                return f"was made from another version of {name}"
        return None

    def lacking(self, output: Path, recorded: Mapping[str, str], wanted: Iterable[Path]) -> str | None:
        """A wanted input that is not among those recorded."""
        names = (provenance.name_from(output, path) for path in wanted)
        return next((f"was made without {name}" for name in names if name not in recorded), None)


@dataclass
class Metrics:
    """Of a metrics file."""

    study: Study
    contents: Contents
    experiment: str
    variant: str

    def __call__(self, path: Path, runs: list[Path]) -> str | None:
        """Its path and the reason. Of runs that overlap it may have left some out."""
        found = header(path, "inputs")
        reason = identity.mismatch(
            found, "metrics", self.experiment, self.variant,
            seeds=self.study.seeds(self.experiment, self.variant),
            settings=self.study.settings(self.experiment, self.variant),
            code=stage_code.metrics(),
        )  # fmt: skip
        recorded = json.loads(found.get("inputs", "{}"))
        reason = reason or self.contents.differing(path, recorded, runs)
        reason = reason or (None if recorded else "does not say what it was made from")
        return f"{path}: {reason}" if reason else None


@dataclass
class Figure:
    """Of the two pictures of a figure."""

    study: Study
    contents: Contents
    name: str

    def __call__(self, paths: Iterable[Path], metrics: Pairs) -> str | None:
        """The first path with a reason."""
        variants = {"/".join(pair): self.study.settings(*pair) for pair in metrics}
        wanted = {"figure": self.name, "variants": variants}
        code = stage_code.figure(self.study.figure_modules[self.name])
        reasons = (_of_record(path, "figure", wanted, code, self.contents, metrics) for path in paths)
        return next(filter(None, reasons), None)


@dataclass
class Claims:
    """Of the verdicts of an experiment."""

    study: Study
    contents: Contents
    experiment: str

    def __call__(self, csv: Path, details: Path, metrics: Pairs) -> str | None:
        """The first path with a reason."""
        names = {pair: pair[1] if pair[0] == self.experiment else "/".join(pair) for pair in metrics}
        variants = {name: self.study.settings(*pair) for pair, name in names.items()}
        wanted = records.plain({"experiment": self.experiment, "variants": variants})
        code = stage_code.claim(self.study.claims(self.experiment))
        if reason := _of_record(details, "claims", wanted, code, self.contents, metrics):
            return reason
        recorded = json.loads(details.read_text(encoding="utf-8")).get("csv_sha256")
        same = hashlib.sha256(csv.read_bytes()).hexdigest() == recorded
        return None if same else f"{csv}: is not the table of {details.name}"


@dataclass
class Report:
    """Of the page and its table."""

    study: Study
    contents: Contents
    code: str

    def __call__(self, page: Path, table: Path, inputs: Iterable[Path]) -> str | None:
        """The first path with a reason. The page may show more than is wanted now, if that is still there."""
        there = [path for path in inputs if path.suffix in (".svg", ".json")]  # the others hold the same
        reason = _of_record(page, "report", {"scale": self.study.scale}, self.code, self.contents, None)
        if reason:
            return reason
        record = lineage.read(page)
        shown = [path for path in lineage.inputs(page, record) if path.is_file()]
        reason = self.contents.differing(page, record["inputs"], shown)
        reason = reason or self.contents.lacking(page, record["inputs"], there)
        if reason:
            return f"{page}: {reason}"
        same = table.read_text(encoding="utf-8") == records.csv_text(
            records.ledger(page.parent / "claims", [])
        )
        return None if same else f"{table}: is not the table of the claims that are there"


def _of_record(
    path: Path, kind: str, settings: Settings, code: str, contents: Contents, metrics: Pairs | None
) -> str | None:
    """Path and reason of a file that is not HDF5."""
    try:
        found = lineage.read(path)
    except lineage.NoRecord as error:
        return str(error)
    reason = identity.mismatch(found, kind, settings=settings, code=code)
    if not reason and metrics is not None:
        recorded = found.get("inputs", {})
        reason = contents.differing(path, recorded, metrics.values())
        reason = reason or contents.lacking(path, recorded, metrics.values())
    return f"{path}: {reason}" if reason else None

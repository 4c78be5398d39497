"""What a result was made from, down to the data, and whether that is still there: `perennial provenance FILE`."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perennial.errors import UserError
from perennial.files import provenance, store

SHORT = 12  # digits of a checksum or a commit that people need
INDENT = "  "


class NoRecord(UserError, ValueError):
    """A file that does not say what it was made from. One line: the file and the reason."""


def read(path: Path) -> dict[str, Any]:
    """The record of a result file; see `perennial.files.provenance.record`. Of HDF5, all attributes of the root.

    A table of verdicts holds none, so that it can be compared byte by byte; the file beside it speaks for it.

    Raises:
        NoRecord: no such file, a damaged one, or one without a record.
    """
    path = _speaker(Path(path))
    if path.suffix not in READERS:
        raise NoRecord(f"{path}: is not a result file (those end in .csv, {', '.join(READERS)})")
    if reason := store.check(path) if path.suffix == ".h5" else None:
        raise NoRecord(f"{path}: {reason}")
    try:
        found = READERS[path.suffix](path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "holds no record"
        raise NoRecord(f"{path}: {reason}; it cannot be told what it was made from") from None
    return found


def _speaker(path: Path) -> Path:
    """The file that speaks for a table of verdicts: `claims/x.json` for `claims/x.csv`, the page for the ledger."""
    if path.suffix != ".csv":
        return path
    return path.with_name("report.html") if path.name == "claims.csv" else path.with_suffix(".json")


def _hdf5(path: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(path, "r") as file:
        found = {key: value for key, value in file.attrs.items() if isinstance(value, str)}
    nested = (*provenance.NESTED, "trained")
    return {key: json.loads(value) if key in nested else value for key, value in found.items()}


def _png(path: Path) -> dict[str, Any]:
    from PIL import Image

    with Image.open(path) as picture:
        return json.loads(picture.text["Description"])  # type: ignore[attr-defined]


def _svg(path: Path) -> dict[str, Any]:
    return json.loads(html.unescape(_between(path, "<dc:description>", "</dc:description>")))


def _page(path: Path) -> dict[str, Any]:
    return json.loads(_between(path, '<script type="application/json" id="record">', "</script>"))


def _between(path: Path, before: str, after: str) -> str:
    """The text between two marks; empty where they are missing."""
    return path.read_text(encoding="utf-8").partition(before)[2].partition(after)[0]


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".h5": _hdf5,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8"))["provenance"],
    ".svg": _svg,
    ".png": _png,
    ".html": _page,
}


def inputs(path: Path, record: dict[str, Any]) -> dict[Path, str]:
    """The inputs of a result file as they are found from here, each with the checksum that was recorded."""
    folder = Path(path).parent
    return {Path(os.path.normpath(folder / name)): found for name, found in record.get("inputs", {}).items()}


def changed(path: Path, recorded: str) -> str:
    """In what an input is no longer what it was when it was read, in words; empty where it is."""
    if not path.exists():
        return "not there any more"
    try:
        if path.suffix == ".h5" and (reason := store.check(path)):
            return reason
    except store.Busy:
        return store.Busy.REASON
    now = provenance.checksum_of(path)
    return "" if now == recorded else f"there is another version now (sha256 {now[:SHORT]})"


def _settings(settings: dict[str, Any]) -> Iterator[str]:
    """Settings on a line; of several variants, each on a line of its own."""
    own = {key: value for key, value in settings.items() if key != "variants"}
    yield f"{INDENT}settings: {json.dumps(own, sort_keys=True)}"
    for name, found in settings.get("variants", {}).items():
        yield f"{INDENT}settings of {name}: {json.dumps(found, sort_keys=True)}"


def _short(value: str) -> str:
    """`0123456789ab+changes` for a commit or a checksum."""
    digits, plus, changes = value.partition("+")
    return digits[:SHORT] + plus + changes


class Chain:
    """The chain from a result down to the data, as lines for people.

    Attributes:
        broken: inputs that are gone, damaged, or another version now.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.broken: set[Path] = set()
        self._seen: dict[tuple[Path, str], str] = {}  # (input, recorded checksum) -> what is wrong with it

    def lines(self) -> Iterator[str]:
        """The file with all it says, then its inputs, theirs indented under them.

        Raises:
            NoRecord: the file itself has no record.
        """
        record = read(self.path)
        yield f"{self.path}: {record.get('kind', 'unknown')}"
        for key in ("code", "git", "engine", "device"):
            yield f"{INDENT}{key}: {record.get(key) or 'unknown'}"
        for name, digest in record.get("outside", {}).items():
            yield f"{INDENT}outside: {name}, code {digest}"
        yield f"{INDENT}versions: {', '.join(f'{k} {v}' for k, v in record.get('versions', {}).items())}"
        yield from _settings(record.get("settings", {}))
        yield from self._sources(_speaker(self.path), record, 1)

    def _sources(self, path: Path, record: dict[str, Any], depth: int) -> Iterator[str]:
        made_from = inputs(path, record)
        if "source" in record:
            yield f"{INDENT * depth}source: {record['source']}"
        elif not made_from and record.get("kind") != "sequences":
            yield f"{INDENT * depth}names no inputs (made by an older version, or when there were none)"
        for source, recorded in made_from.items():
            yield from self._source(source, recorded, depth)

    def _source(self, path: Path, recorded: str, depth: int) -> Iterator[str]:
        start = f"{INDENT * depth}{path}: sha256 {recorded[:SHORT]}"
        before = (path, recorded) in self._seen  # large data are looked at once
        problem = self._seen.setdefault((path, recorded), "" if before else changed(path, recorded))
        if problem:
            self.broken.add(path)
            yield f"{start}; {problem}"
            return
        if before:
            yield f"{start}, as above"
            return
        try:
            record = read(path)
        except NoRecord as error:
            yield f"{start}; {error}"
            return
        words = [record.get("kind", "unknown")]
        words += [f"{key} {_short(record[key])}" for key in ("code", "git") if record.get(key)]
        if record.get("engine") and record.get("kind") == "run":
            words.append(f"{record['engine']} on {record.get('device', 'an unknown device')}")
        yield f"{start}, {', '.join(words)}"
        yield from self._sources(path, record, depth + 1)

"""Verdicts on disk: one CSV and one JSON per experiment, and the CSVs gathered into one ledger.

Equal inputs give equal bytes: six significant digits in the CSV, sorted keys in the JSON, no times or paths.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perennial.claims.statement import ClaimError
from perennial.claims.statistic import number
from perennial.files import store

COLUMNS = ("id", "experiment", "n", "estimate", "low", "high", "published", "verdict", "parts", "settled_by")


def write(found: Mapping[str, Any], csv_path: Path, json_path: Path) -> None:
    """Write the verdicts of one experiment, each file whole or not at all."""
    rows = [_row(entry) for entry in (*found["claims"], *found["comparisons"])]
    table = csv_text(rows).encode()
    told = plain({**found, "csv_sha256": hashlib.sha256(table).hexdigest()})
    text = json.dumps(told, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    store.write_bytes(json_path, (text + "\n").encode())
    store.write_bytes(csv_path, table)


def _row(entry: Mapping[str, Any]) -> dict[str, str]:
    numbers = {key: "" if entry[key] is None else number(entry[key]) for key in ("estimate", "low", "high")}
    words = {key: str(entry.get(key, "")) for key in COLUMNS if key not in numbers}
    words["parts"] = entry.get("parts_text", "")
    return {key: (numbers | words)[key] for key in COLUMNS}


def plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity: both become null. Nine digits are more than any reader needs."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") + 0.0 if math.isfinite(value) else None
    return value


def csv_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as CSV text with the ledger's columns."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def ledger(folder: Path, left_out: list[str] | None = None) -> list[dict[str, str]]:
    """Rows of all `*.csv` in a claims folder, by file name; an absent folder has none.

    Args:
        left_out: gets a line for each file that is not a claims CSV.

    Raises:
        ClaimError: without `left_out`, one line that names the first such file.
    """
    rows: list[dict[str, str]] = []
    for path in sorted(Path(folder).glob("*.csv")):
        try:
            rows += _rows(path)
        except ClaimError as error:
            if left_out is None:
                raise
            left_out.append(str(error))
    return rows


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of one claims CSV."""
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        found = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClaimError(f"{path}: not a claims CSV ({error})") from None
    if tuple(reader.fieldnames or ()) != COLUMNS or any(None in row.values() or None in row for row in found):
        raise ClaimError(f"{path}: not a claims CSV (its columns must be {', '.join(COLUMNS)})")
    return found


def write_ledger(folder: Path, output: Path, left_out: list[str] | None = None) -> None:
    """Concatenate the claims of a folder into one CSV. Arguments and errors as for `ledger`."""
    store.write_bytes(Path(output), csv_text(ledger(folder, left_out)).encode())


def read(folder: Path) -> list[dict[str, Any]]:
    """All claims of a claims folder with all detail, by file name, then in the order of their statement."""
    return [claim for found in files(folder).values() for claim in found["claims"]]


def files(folder: Path, left_out: list[str] | None = None) -> dict[Path, dict[str, Any]]:
    """All JSON files of a claims folder, by name: lists of claims and comparisons. Otherwise as `ledger`."""
    files = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not all(isinstance(found[key], list) for key in ("claims", "comparisons")):
                raise TypeError("claims and comparisons must be lists")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            line = f"{path}: not a claims file ({' '.join(str(error).split())})"
            if left_out is None:
                raise ClaimError(line) from None
            left_out.append(line)
        else:
            files[path] = found
    return files

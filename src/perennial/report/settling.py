"""What it would cost to settle open claims: more seeds of the variants that their open parts name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perennial.claims import summary
from perennial.claims.verdict import INCONCLUSIVE
from perennial.files import store


def told(folder: Path, claims: list[dict[str, Any]]) -> str:
    """`To settle the open ones: S2 about 530 seeds, 0.4 core-hours; ...`; empty where nothing is open.

    Costs come from what runs took so far. They are told, not kept: the files of claims hold verdicts alone.

    Args:
        folder: results of the scale.
        claims: as in `claims/{experiment}.json`.
    """
    rows = []
    for claim in claims:
        cost, settled_by = _seconds(folder, claim), claim.get("settled_by", "")
        told_ = f"{settled_by}, {summary.hours(cost / 3600)}" if cost else settled_by
        rows.append({**claim, "settled_by": told_})
    return summary.to_settle(rows)


def _seconds(folder: Path, claim: dict[str, Any]) -> float:
    """CPU seconds of the missing seeds; 0 where they are not known."""
    if claim["verdict"] != INCONCLUSIVE or not claim.get("needed_n"):
        return 0.0
    names = {name for part in claim["parts"] if part["verdict"] == INCONCLUSIVE for name in part["variants"]}
    return sum(_missing(folder, claim, name) for name in sorted(names))


def _missing(folder: Path, claim: dict[str, Any], name: str) -> float:
    owner, _, variant = name.rpartition("/")
    path = folder / "metrics" / (owner or claim["experiment"]) / f"{variant}.h5"
    try:
        with store.open_checked(path) as file:
            there = len(file.attrs["seeds"])
            return max(claim["needed_n"] - there, 0) * float(file.attrs["cpu_seconds"]) / max(there, 1)
    except (OSError, KeyError, store.BadFile):
        return 0.0

"""Where the study, its claims and its published curves lie: the one file of these tests that knows."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from perennial import config
from perennial.claims import statement
from perennial.claims.statement import Claims

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "studies"  # {study}/{experiment}/


@functools.cache
def study(scale: str) -> config.Study:
    """The repository's study at a scale."""
    return config.load(str(ROOT / "config.yaml"), scale=scale)


@functools.cache
def claims() -> dict[str, Claims]:
    """The claims of every experiment that has a file of them, by experiment."""
    files = sorted(EXPERIMENTS.glob("*/*/claims.yaml"))
    return {path.parent.name: statement.load(path.parent.name, path) for path in files}


def curves() -> dict[str, dict[str, Any]]:
    """The content of every file of published curves, by the name of its figure."""
    files = sorted(EXPERIMENTS.glob("*/*/curves/*.json"))
    assert len({path.stem for path in files}) == len(files), (
        "two files of published curves have the same name"
    )
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}

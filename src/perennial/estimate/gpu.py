"""What a GPU was measured to do: benchmarks/gpu.json, written by gpu.py and gpu_convnet.py there. Without it nothing is
said.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from perennial.estimate import kinds

FILE = Path(__file__).parents[3] / "benchmarks" / "gpu.json"
NO_FIGURES = "no GPU figures: benchmarks/gpu.py has not been run"


def read(path: Path = FILE) -> dict[str, Any]:
    """The table: `device` and `rows`; empty where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def seconds_per_run_step(table: dict[str, Any], settings: dict[str, Any], weights: int) -> float | None:
    """Seconds of a GPU per run-step, from the row of the same algorithm nearest in size, scaled by the weights.

    Convolutions are not scaled: what they cost does not go by their weights. None where the table has no such row, or
    where the variant would not be given to a GPU.
    """
    own, network = settings["algorithm"], settings["network"]["name"]
    rows = [row for row in table.get("rows", []) if row["algorithm"]["name"] == own["name"]]
    rows = [row for row in rows if row.get("network", "mlp") == network]
    if network != "mlp":
        rows = [row for row in rows if row["weights"] == weights]
    if not rows or not kinds.gains_from_gpu(settings):
        return None

    def distance(row: dict[str, Any]) -> tuple[float, ...]:
        other = sum(
            own.get(key) != value for key, value in row["algorithm"].items() if isinstance(value, str)
        )
        return other, abs(np.log(row["weights"] / weights)), -row["runs"]

    row = min(rows, key=distance)
    return row["seconds_per_run_step"] * weights / row["weights"]

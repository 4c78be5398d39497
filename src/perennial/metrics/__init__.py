"""What is measured. One file per measure, found by its name in an experiment's `measures`.

A measure's file exports

    UNITS, DESCRIPTION, SOURCE     how the numbers are to be read, and where the definition comes from
    AXES                           axes after the problem's own (task or example): () or ("layer",)
    KIND                           "performance": the mean of each task's performance over `every` tasks;
                                   "internals": taken before every `every`-th task is learnt
    measure(...)                   performance: [r, steps] -> [r];  internals: (weights, features) of one run
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType


def names() -> list[str]:
    """All measures."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def module(name: str) -> ModuleType:
    """The measure of that name."""
    return importlib.import_module(f"perennial.metrics.{name}")

"""Import heavy libraries at their first use.

Config checks, planning, figures and the report read the settings of every algorithm. They must not pay for
importing torch, while an algorithm's file should still look like any PyTorch file.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BACKEND = "MPLBACKEND"  # read by matplotlib when it is imported; a notebook names one that may not be here


@contextmanager
def no_display() -> Iterator[None]:
    """Import matplotlib in here: figures are written to files, whatever the user draws with elsewhere."""
    before = os.environ.get(BACKEND)
    os.environ[BACKEND] = "agg"
    try:
        yield
    finally:
        del os.environ[BACKEND]
        if before is not None:
            os.environ[BACKEND] = before


class LazyModule:
    """Stands for a module until an attribute of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name, self._module = name, None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            with no_display():
                self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


torch: Any = LazyModule("torch")
# Planning asks each figure what it needs, and draws none.
matplotlib: Any = LazyModule("matplotlib")
seaborn: Any = LazyModule("seaborn")
colors, figure, lines, patches, ticker = (
    LazyModule(f"matplotlib.{name}") for name in ("colors", "figure", "lines", "patches", "ticker")
)

"""Import heavy libraries at their first use.

Config checks, planning, figures and the report read the settings of every algorithm. They must not pay for
importing torch, while an algorithm's file should still look like any PyTorch file.
"""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for a module until an attribute of it is asked for."""

    def __init__(self, name: str) -> None:
        self._name, self._module = name, None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


torch: Any = LazyModule("torch")
# Planning asks each figure what it needs, and draws none.
seaborn: Any = LazyModule("seaborn")
colors, figure, lines, patches, ticker = (
    LazyModule(f"matplotlib.{name}") for name in ("colors", "figure", "lines", "patches", "ticker")
)

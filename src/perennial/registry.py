"""Find problems, networks, algorithms, procedures, figures and data sets by their file name.

Adding a method is adding a file: nothing else has to be told about it.
"""

from __future__ import annotations

import difflib
import functools
import importlib
from pathlib import Path
from types import ModuleType

KINDS = ("problems", "networks", "algorithms", "procedures", "figures", "datasets")


class UnknownName(LookupError):
    """A name that no file answers to; the message lists those that do."""


def names(kind: str) -> list[str]:
    """All names of a kind, sorted. A file or folder whose name starts with `_` is private."""
    folder = Path(__file__).parent / kind
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_"))


def nearest(name: str, allowed: list[str]) -> str:
    """` (did you mean 'cbp'?)` for a slip of the pen, or nothing."""
    close = difflib.get_close_matches(str(name), allowed, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


@functools.cache
def module(kind: str, name: str) -> ModuleType:
    """The module of that name.

    Raises:
        UnknownName: with the allowed names and the nearest spelling.
    """
    allowed = names(kind)
    if name not in allowed:
        hint = nearest(name, allowed)
        raise UnknownName(f"'{name}' is not one of {kind}: {', '.join(allowed)}{hint}")
    return importlib.import_module(f"perennial.{kind}.{name}")

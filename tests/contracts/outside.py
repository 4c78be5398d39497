"""A folder of a user's algorithms for the length of a test."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perennial import registry


@contextlib.contextmanager
def only_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Search a folder for algorithms, and no other of a user's; what was imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.setattr(registry, "_folders", {})
    registry._files.cache_clear()
    registry.add_folder("algorithms", folder)
    try:
        yield
    finally:
        registry._files.cache_clear()
        for name in set(sys.modules) - before:
            if name.startswith(registry.OUTSIDE):
                del sys.modules[name]

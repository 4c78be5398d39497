"""Where compiled loops are kept. Import this before anything is compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numba

from perennial.files import store


def cache_folder() -> Path:
    """Where compiled loops are kept: a folder per state of this package's compiled sources.

    Numba looks for changes in the outermost function's file only; the hash covers the others.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parents[1]
    engines = ("learning/engines/fused", "learning/engines/lanes", "learning/engines/pooled")
    lenders = ("learning/networks", "learning/algorithms")  # of constants
    for folder in ("learning/engines", *engines, "streams", *lenders):
        for path in sorted(package.glob(f"{folder}/*.py")):
            digest.update(path.read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "perennial" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home, as on some cluster nodes
        folder = Path(tempfile.gettempdir()) / f"perennial-{os.getuid()}" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def stable_source(path: Path) -> Path:
    """A copy of a source file in the cache folder.

    Numba's cache goes by the path and the date of the source. Under the name of the copy, compiled code is found
    again from every checkout with equal sources.
    """
    copy = cache_folder() / path.name
    if not copy.exists():
        store.write_bytes(copy, path.read_bytes())
    return copy


numba.config.CACHE_DIR = str(cache_folder())

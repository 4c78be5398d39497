"""Where compiled loops are kept. Import this before anything is compiled."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import numba


def cache_folder() -> Path:
    """Where compiled loops are kept: a folder per state of this package's compiled sources.

    Numba looks for changes in the outermost function's file only; the hash covers the others.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parent
    for path in sorted([*package.glob("engines/fused/*.py"), *package.glob("streams/*.py")]):
        digest.update(path.read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "perennial" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # a read-only home, as on some cluster nodes
        folder = Path(tempfile.gettempdir()) / f"perennial-{os.getuid()}" / digest.hexdigest()[:16]
        folder.mkdir(parents=True, exist_ok=True)
    return folder


numba.config.CACHE_DIR = str(cache_folder())

"""Where compiled loops are kept. Import this before anything is compiled."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import numba

from perennial.files import store


@functools.cache
def cache_folder() -> Path:
    """Where compiled loops are kept: a folder per state of this package's compiled sources.

    Numba looks for changes in the outermost function's file only; the hash covers the others.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    package = Path(__file__).parents[1]
    engines = ("learning/engines/fused", "learning/engines/pooled")
    lenders = ("learning/networks", "learning/algorithms")  # of constants
    for folder in ("learning/engines", *engines, "streams", *lenders):
        for path in sorted(package.glob(f"{folder}/*.py")):
            digest.update(path.read_bytes())
    mark = digest.hexdigest()[:16]
    try:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = root / "perennial" / mark
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # numba refuses one that it cannot write to
    except (OSError, RuntimeError):  # a read-only home, as on some cluster nodes; or a user without one
        folder = _beside_others() / mark
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _beside_others() -> Path:
    """A folder of this user alone where all users write: what numba reads from it, it runs."""
    folder = Path(tempfile.gettempdir()) / f"perennial-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        if stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not about.st_mode & 0o022:
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="perennial-"))


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

"""For which instructions loops are compiled, and where they are kept. Import this before anything is compiled.

Loops are compiled for x86-64-v3 (AVX2 and FMA, 2013 and later), whatever more the processor offers: the same code runs
everywhere. Nothing in a loop leaves the order of a sum or the last bit of a function to the compiler, so that code
compiled for the processor at hand gives the same numbers; a test holds it to that. Numba keeps what is compiled for
different processors apart.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

import llvmlite.binding as llvm
import numba
from numba.core import registry

from perennial.files import store

PORTABLE = "x86-64-v3"
#: What a processor must offer for it, by LLVM's names.
INSTRUCTIONS = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sse4.2")
THIS_MACHINE = "this machine"
#: Where numba is told; it reads them again whenever any of its variables has changed.
VARIABLES = ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


class TooLate(RuntimeError):
    """Something is compiled already for other instructions."""


def compile_for(portable: bool) -> None:
    """Say for which instructions this process compiles: x86-64-v3, or all that the processor at hand has.

    A processor without x86-64-v3 gets code of its own, and a line says so.

    Raises:
        TooLate: this process compiled for others before.
    """
    wanted = (PORTABLE, "") if portable and _can_be_portable() else (None, None)
    if wanted == tuple(map(os.environ.get, VARIABLES)):
        return
    if _has_compiled():
        raise TooLate("loops are compiled already for other instructions in this process")
    for name, value in zip(VARIABLES, wanted, strict=True):
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    numba.config.reload_config()


def _has_compiled() -> bool:
    return "_toplevel_target_context" in vars(registry.cpu_target)


def same_bits() -> str:
    """Where compiled loops give the same bits as here: on every processor with x86-64-v3, or on this machine."""
    return PORTABLE if not missing_instructions() else THIS_MACHINE


@functools.cache
def missing_instructions() -> tuple[str, ...]:
    """What this processor lacks of x86-64-v3."""
    offered = llvm.get_host_cpu_features()
    return tuple(name for name in INSTRUCTIONS if not offered.get(name, False))


@functools.cache
def _can_be_portable() -> bool:
    if missing := missing_instructions():
        print(
            f"this processor lacks {', '.join(missing)} of {PORTABLE}: loops are compiled for it alone, "
            "and the last digits of results may differ from those of other machines",
            file=sys.stderr,
        )
    return not missing


@functools.cache
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
compile_for(portable=True)


if not _has_compiled():  # the default
    compile_for(portable=True)

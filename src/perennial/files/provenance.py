"""Who made a result, and from what. One record stands in every result file; results/README.md explains its keys.

An input is known by its content, not by its bytes: the times and the git state that a file carries may differ
between two equal runs, its arrays may not. So a record names for each input a checksum of the arrays.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perennial import registry
from perennial.files import store
from perennial.lazy import torch

if TYPE_CHECKING:
    import h5py

NESTED = ("settings", "versions", "inputs", "outside")  # keys of a record that are no text
LIBRARIES = ("perennial", "numpy", "numba", "torch", "h5py", "scikit-learn", "snakemake")


def record(
    kind: str,
    settings: Any,
    code: str,
    inputs: Mapping[str, str],
    *,
    engine: str = "numpy",
    device_kind: str = "cpu",
    libraries: Iterable[str] = (),
) -> dict[str, Any]:
    """What a result file says about itself. Equal work on one machine has an equal record: it holds no times.

    Args:
        kind: dataset, sequences, run, metrics, figure, claims or report.
        settings: all that determines the content, but for code and inputs.
        code: hash of the code of the stage, from `perennial.dag.stage_code`.
        inputs: name -> checksum, from `checksums`.
        engine: the name of one in `engines.NAMES` for runs, else the library that does the work.
        device_kind: cpu or cuda.
        libraries: further ones whose version matters here.
    """
    folders = users_folders()
    strangers = outside(folders)
    return {
        "kind": kind,
        "settings": settings,
        "code": code,
        "git": git_state(*folders),
        "engine": engine,
        "device": device(device_kind),
        "versions": versions(*libraries),
        "inputs": dict(inputs),
        **({"outside": strangers} if strangers else {}),
    }


def attributes(recorded: Mapping[str, Any]) -> dict[str, str]:
    """A record as attributes of an HDF5 file: what is nested becomes JSON."""
    return {k: json.dumps(v, sort_keys=True) if k in NESTED else v for k, v in recorded.items()}


def text(recorded: Mapping[str, Any]) -> str:
    """A record as JSON text on one line, for pictures and pages."""
    return json.dumps(recorded, sort_keys=True, ensure_ascii=False)


def finish(file: h5py.File, recorded: Mapping[str, Any]) -> None:
    """Write a record, and the checksum of the content, into an open file whose arrays are all there."""
    file.attrs.update(attributes(recorded))
    file.attrs["sha256"] = content(file)


def content(file: h5py.File) -> str:
    """SHA-256 over the arrays of a file and all attributes but those of its root, in the order of their names."""
    digest = hashlib.sha256()

    def visit(node: Any, path: str) -> None:
        for key in sorted(node.attrs) if path else ():
            value = node.attrs[key]
            digest.update(f"{path}@{key}".encode())
            digest.update(value.encode() if isinstance(value, str) else np.asarray(value).tobytes())
        if hasattr(node, "items"):
            for key in sorted(node):
                visit(node[key], f"{path}/{key}")
        else:
            digest.update(f"{path} {node.dtype.str} {node.shape}".encode())
            digest.update(np.ascontiguousarray(node[...]).tobytes())

    visit(file, "")
    return digest.hexdigest()


def checksum(file: h5py.File) -> str:
    """The checksum of an open file's content, as it says itself; computed where it says nothing."""
    return str(file.attrs.get("sha256", "")) or content(file)


def checksums(inputs: Iterable[Path], output: Path) -> dict[str, str]:
    """Inputs of a result file: name as seen from the output's folder -> checksum. So a results folder can move.

    Raises:
        store.BadFile: an input cannot be read.
    """
    return {name_from(output, path): checksum_of(path) for path in inputs}


def checksum_of(path: Path) -> str:
    """Checksum of a result file: of its content where it is HDF5, else of its bytes. Trusts an HDF5 file's own word.

    Raises:
        store.BadFile: it cannot be read.
    """
    path = Path(path)
    try:
        if path.suffix != ".h5":
            return hashlib.sha256(path.read_bytes()).hexdigest()
        import h5py

        with h5py.File(path, "r") as file:
            return checksum(file)
    except OSError as error:
        reason = store.check(path) if path.suffix == ".h5" else None
        raise store.BadFile(f"{path}: {reason or f'cannot be read ({error.strerror})'}") from None


def name_from(output: Path, path: Path) -> str:
    """An input's name as seen from the folder of what is made from it: `../../runs/a/b/seeds_0-9.h5`."""
    return Path(os.path.relpath(path, Path(output).parent)).as_posix()


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and of the libraries that can matter to a number."""
    found = {"python": platform.python_version()}
    for name in (*LIBRARIES, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def users_folders() -> list[Path]:
    """Folders of users' own modules that this process knows; their code may be part of a result."""
    packages = [name for name in sys.modules if name.startswith(registry.OUTSIDE) and "." not in name]
    return sorted(registry.folder_of(name) for name in packages)


@functools.cache
def git_state(*folders: Path) -> str:
    """The commit of the source tree, `+changes` after it if code differs from it, or "unknown".

    Code that git does not know is a change, also where git was told to ignore it. Asked once in a process: what
    counts is the code that was loaded.

    Args:
        folders: of users' own modules; those outside the source tree do not matter here.
    """
    here = Path(__file__)
    package = here.parents[1]
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)  # not a copy inside another repository
        commit = _git(package, "rev-parse", "HEAD")
        changes = _git(package, "status", "--porcelain", "--untracked-files=no")
        inside = [folder for folder in folders if _is_tracked_with(package, folder)]
        return commit + ("+changes" if changes or _unknown_code(package, *inside) else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def outside(folders: Iterable[Path]) -> dict[str, str]:
    """Users' folders outside the source tree's repository, by name: 16 hex digits for the Python files of each."""
    found: dict[str, str] = {}
    for folder in folders:
        if not _is_tracked_with(Path(__file__).parents[1], folder):
            name = folder.name
            while name in found:  # two folders may have one name
                name += "'"
            found[name] = _digest(folder)
    return found


@functools.cache
def _digest(folder: Path) -> str:
    """Asked once in a process, as the git state."""
    files = {path.relative_to(folder): path for path in folder.rglob("*.py")}
    lines = (f"{name} {hashlib.sha256(files[name].read_bytes()).hexdigest()}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@functools.cache
def _is_tracked_with(package: Path, folder: Path) -> bool:
    """Whether a folder lies in the repository of the source tree."""
    try:
        return _git(folder, "rev-parse", "--show-toplevel") == _git(package, "rev-parse", "--show-toplevel")
    except (OSError, subprocess.SubprocessError):
        return False


def _unknown_code(*folders: Path) -> bool:
    """Whether folders of one repository hold Python files that git does not know."""
    found = _git(folders[0], "ls-files", "--others", "--", *(f":(literal){folder}" for folder in folders))
    return any(name.rstrip('"').endswith(".py") for name in found.splitlines())


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def device(kind: str = "cpu") -> str:
    """The name of the processor, or of the GPU where `kind` is cuda."""
    if kind == "cuda":
        return f"cuda: {torch.cuda.get_device_name()}"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"cpu: {line.split(':', 1)[1].strip()}"
    except OSError:
        pass
    return f"cpu: {platform.processor() or platform.machine()}"


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):  # not on Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # may be that of the parent process

"""Data sets: fetched or unpacked, checked, and written as `results/data/{dataset}.h5`. One file per data set.

A data set's file exports:

    SHA256      over the bytes of its arrays, in the order of their names where they are streamed, else in their own
                order: the data set's content. None where the content is the user's own: the file records it
    SOURCE      where it comes from
    LICENCE     its terms

and one of

    arrays      its named arrays, read from the user's folder where it needs one
    prepare     for arrays larger than memory: does the slow work, and gives what writes them piece by piece

and, where it works in parallel, THREADS: the most that are of use. `stand_in` may give made-up arrays like the real
ones: `perennial plan` times training on them where the data are not there yet.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from perennial import registry
from perennial.errors import UserError
from perennial.files import provenance, store
from perennial.problems import Arrays

PIECE = 1 << 26  # bytes that are hashed at a time


class DataError(UserError, OSError):
    """A data set that is missing or not what it should be. One line: what was found, what was expected."""


def make(name: str, output: Path, root: Path | str | None = None, threads: int = 1, code: str = "") -> None:
    """Write one data set.

    Args:
        name: for example "digits".
        output: the HDF5 file to write.
        root: folder with the user's own copies of data that cannot be shipped.
        threads: that may work at the same time.
        code: hash of the code that makes it.

    Raises:
        DataError: an unknown name, data that are not to be had, or data that fail their checksum.
    """
    output, module = Path(output), _module(name)
    about = provenance.attributes(provenance.record("dataset", {"dataset": name}, code, {}))
    about |= {"name": name, "source": module.SOURCE, "licence": module.LICENCE}
    if hasattr(module, "prepare"):
        _stream(module, name, output, _folder(root), threads, about)
        return
    found = arrays(name, root)

    def fill(file: Any) -> None:
        file.attrs.update({**about, "sha256": module.SHA256})
        for key, array in found.items():
            file.create_dataset(key, data=array, compression="gzip", shuffle=True)

    store.write(output, fill)


def arrays(name: str, root: Path | str | None = None) -> Arrays:
    """The arrays of a small data set from their source, checked. Arguments and errors as for `make`."""
    module = _module(name)
    found = module.arrays(_folder(root))
    _compare(name, hashlib.sha256(b"".join(array.tobytes() for array in found.values())).hexdigest(), module)
    return found


def read(path: Path) -> Arrays:
    """The arrays of a data set file.

    One that is stored in one piece, as the largest are, is mapped into memory and not read: only what is looked
    at is loaded, and all processes of a machine share it. It cannot be written to.
    """
    with store.open_checked(path) as file:
        return {key: _mapped(path, file[key]) if _is_one_piece(file[key]) else file[key][...] for key in file}


def checksum(path: Path) -> str:
    """SHA-256 of the content of a data set file, as it says itself. Reads no array, and trusts the file.

    Raises:
        store.BadFile: it is damaged so that it cannot even be opened.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("sha256", ""))
    except OSError as error:
        raise store.BadFile(f"{path}: {store.check(path) or error}") from None


def _module(name: str) -> Any:
    try:
        return registry.module("datasets", name)
    except registry.UnknownName as error:
        raise DataError(str(error)) from None


def _folder(root: Path | str | None) -> Path | None:
    return Path(root).expanduser() if root else None


def _stream(
    module: Any, name: str, output: Path, root: Path | None, threads: int, about: dict[str, str]
) -> None:
    """Write arrays piece by piece. What was prepared lies beside the output until that is whole."""
    scratch = output.with_name(f"{output.stem}.parts")
    write = module.prepare(root, scratch, threads)

    def fill(file: Any) -> None:
        file.attrs.update(about)
        write(file)
        file.attrs["sha256"] = _digest(file)
        _compare(name, file.attrs["sha256"], module)

    store.write(output, fill)
    shutil.rmtree(scratch, ignore_errors=True)


def _compare(name: str, found: str, module: Any) -> None:
    if module.SHA256 is not None and found != module.SHA256:
        raise DataError(f"data set '{name}' has checksum {found}, expected {module.SHA256}")


def _digest(file: Any) -> str:
    """SHA-256 over the arrays of an open file, in the order of their names."""
    total = hashlib.sha256()
    for key in sorted(file):
        rows = max(1, PIECE // max(1, file[key][:1].nbytes))
        for first in range(0, len(file[key]), rows):
            total.update(np.ascontiguousarray(file[key][first : first + rows]))
    return total.hexdigest()


def _is_one_piece(stored: Any) -> bool:
    return stored.chunks is None and stored.nbytes > 0 and stored.id.get_offset() is not None


def _mapped(path: Path, stored: Any) -> np.ndarray:
    """An array as it lies in the file: no copy, read only."""
    found = np.memmap(path, stored.dtype, "r", stored.id.get_offset(), stored.shape)
    return np.asarray(found)

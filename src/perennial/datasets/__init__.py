"""Data sets: fetched or unpacked, checked, and written as `results/data/{dataset}.h5`. One file per data set.

A data set's file exports:

    arrays      its named arrays, read from the user's folder where it needs one
    SHA256      over the bytes of these arrays, in their order: the data set's content
    SOURCE      where it comes from
    LICENCE     its terms
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from perennial import registry, store
from perennial.problems import Arrays


class DataError(OSError):
    """A data set that is missing or not what it should be. One line: what was found, what was expected."""


def make(name: str, output: Path, root: Path | str | None = None) -> None:
    """Write one data set.

    Args:
        name: for example "digits".
        output: the HDF5 file to write.
        root: folder with the user's own copies of data that cannot be shipped.

    Raises:
        DataError: an unknown name, data that are not to be had, or data that fail their checksum.
    """
    found = arrays(name, root)
    module = registry.module("datasets", name)
    about = {"sha256": module.SHA256, "source": module.SOURCE, "licence": module.LICENCE}

    def fill(file: Any) -> None:
        file.attrs.update({"kind": "dataset", "name": name, **about})
        for key, array in found.items():
            file.create_dataset(key, data=array, compression="gzip", shuffle=True)

    store.write(Path(output), fill)


def arrays(name: str, root: Path | str | None = None) -> Arrays:
    """The arrays of a data set from their source, checked. Arguments and errors as for `make`."""
    try:
        module = registry.module("datasets", name)
    except registry.UnknownName as error:
        raise DataError(str(error)) from None
    found = module.arrays(Path(root).expanduser() if root else None)
    checksum = hashlib.sha256(b"".join(array.tobytes() for array in found.values())).hexdigest()
    if checksum != module.SHA256:
        raise DataError(f"data set '{name}' has checksum {checksum}, expected {module.SHA256}")
    return found


def read(path: Path) -> Arrays:
    """The arrays of a data set file."""
    with store.open_checked(path) as file:
        return {key: file[key][...] for key in file}

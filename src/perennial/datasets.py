"""Data sets: fetched or unpacked, checked, and written as `results/data/{dataset}.h5`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perennial import store
from perennial.problems import Arrays

# SHA-256 over the pixels and labels of the 1,797 digits as scikit-learn ships them.
DIGITS_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


class DataError(OSError):
    """A data set that is missing or not what it should be. One line: what was found, what was expected."""


def make(name: str, output: Path, root: Path | str | None = None) -> None:
    """Write one data set.

    Args:
        name: for example "digits".
        output: the HDF5 file to write.
        root: folder with the user's own copies of data that cannot be shipped.

    Raises:
        DataError: an unknown name, or data that fail their checksum.
    """
    if name not in MAKERS:
        raise DataError(f"data set '{name}' is not one of: {', '.join(MAKERS)}")
    arrays, attributes = MAKERS[name](Path(root) if root else None)

    def fill(file: Any) -> None:
        file.attrs.update({"kind": "dataset", "name": name, **attributes})
        for key, array in arrays.items():
            file.create_dataset(key, data=array, compression="gzip", shuffle=True)

    store.write(Path(output), fill)


def read(path: Path) -> Arrays:
    """The arrays of a data set file."""
    with store.open_checked(path) as file:
        return {key: file[key][...] for key in file}


def _digits(root: Path | None) -> tuple[Arrays, dict[str, str]]:
    """The 8x8 digits that come with scikit-learn: images [1797, 8, 8] uint8 in 0..16, labels [1797] uint8."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    arrays = {"images": bunch.images.astype(np.uint8), "labels": bunch.target.astype(np.uint8)}
    found = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    if found != DIGITS_SHA256:
        raise DataError(f"the digits of scikit-learn have checksum {found}, expected {DIGITS_SHA256}")
    return arrays, {
        "sha256": found,
        "source": "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (test part)",
        "licence": "CC BY 4.0",
    }


MAKERS: dict[str, Callable[[Path | None], tuple[Arrays, dict[str, str]]]] = {"digits": _digits}

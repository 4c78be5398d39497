"""CIFAR-100: 50,000 training and 10,000 test images of 100 classes, in the official order.

Arrays: train_images [50000, 3, 32, 32] and test_images [10000, 3, 32, 32] uint8 in 0..255, red plane, green, blue;
train_labels and test_labels [n] uint8, the fine classes.

Read from the user's folder in either official layout, `cifar-100-python/{train,test}` or
`cifar-100-binary/{train,test}.bin`; where it lies in neither, torchvision downloads the first. Both are checked alike:
by the SHA-1 of the records of the binary files (coarse class, fine class, 3,072 pixels of each image).
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perennial.datasets import DataError, _pickled, _torchvision
from perennial.problems import Arrays

SHA256 = "33dbb9d0e6f24eb40013c6ef72052935cbf927b7749bb7c2cb19db54297a2b4f"
SOURCE = "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)"
LICENCE = "no formal licence; research use with citation"

PARTS = {"train": 50_000, "test": 10_000}
RECORDS = {
    "train": "e207cd2e05b73b1393c74c7f5e7bea451d63e08e",
    "test": "8fb6623e830365ff53cf14adec797474f5478006",
}
PYTHON, BINARY = "cifar-100-python", "cifar-100-binary"
SHAPE, PIXELS = (3, 32, 32), 3072
HELP = (
    f"put {PYTHON}/train and {PYTHON}/test, or {BINARY}/train.bin and {BINARY}/test.bin, into a folder, and name that "
    "folder in the environment's PERENNIAL_DATA or the config's data.root"
)


def prepare(root: Path | None, scratch: Path, threads: int) -> Callable[[Any], None]:
    """Read images and labels. They are written in one piece each, so that all processes of a machine share them.

    Args:
        root: the folder that holds either layout; None to download.

    Returns:
        what writes the arrays into an open HDF5 file.

    Raises:
        DataError: files that are neither there nor to be had, or are not the official ones.
    """
    if root is None:
        with tempfile.TemporaryDirectory() as temporary:
            found = _read(Path(temporary), given=False)
    elif root.is_dir():
        found = _read(root)
    else:
        raise DataError(
            f"data set 'cifar100': {root} is no folder (PERENNIAL_DATA, or data.root in the config)"
        )

    def write(file: Any) -> None:
        for name, array in found.items():
            file.create_dataset(name, data=array)

    return write


def stand_in() -> Arrays:
    """Made-up images of the same shape, for timing alone; all of a part are one image, which takes no memory."""
    image = np.random.default_rng(0).integers(0, 256, (1, *SHAPE)).astype(np.uint8)
    found: Arrays = {}
    for part, count in PARTS.items():
        found[f"{part}_images"] = np.broadcast_to(image, (count, *SHAPE))
        found[f"{part}_labels"] = (np.arange(count) % 100).astype(np.uint8)
    return found


def _read(root: Path, given: bool = True) -> Arrays:
    if (root / BINARY).is_dir():
        records = {part: _binary(root / BINARY / f"{part}.bin") for part in PARTS}
    else:
        if not all((root / PYTHON / part).is_file() for part in PARTS):
            _download(root, given)
        records = {part: _python(root / PYTHON / part) for part in PARTS}
    found: Arrays = {}
    for part, own in records.items():
        digest = hashlib.sha1(own, usedforsecurity=False).hexdigest()
        if digest != RECORDS[part]:
            raise DataError(
                f"data set 'cifar100': the {part} images of {root} are not the official ones (sha1 of their records "
                f"{digest}, expected {RECORDS[part]})"
            )
        found[f"{part}_images"] = np.ascontiguousarray(own[:, 2:]).reshape(-1, *SHAPE)
        found[f"{part}_labels"] = own[:, 1].copy()
    return found


def _binary(path: Path) -> np.ndarray:
    """[n, 3074] uint8: coarse class, fine class, pixels."""
    try:
        found = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {HELP}") from None
    count = PARTS[path.stem]
    if found.size != count * (PIXELS + 2):
        raise DataError(
            f"{path}: has {found.size} bytes, expected {count * (PIXELS + 2)}; is the download whole?"
        )
    return found.reshape(count, PIXELS + 2)


def _python(path: Path) -> np.ndarray:
    """The same records from a pickled batch."""
    batch, count = _pickled.load(path, "part of CIFAR-100"), PARTS[path.name]
    if isinstance(
        batch, dict
    ):  # the official files were written by Python 2: texts or bytes, as one takes them
        batch = {
            key.decode("latin1") if isinstance(key, bytes) else key: value for key, value in batch.items()
        }
    try:
        columns = [np.asarray(batch[key]) for key in ("coarse_labels", "fine_labels")]
        pixels = np.asarray(batch["data"])
    except (KeyError, TypeError):
        raise DataError(
            f"{path}: is no part of CIFAR-100 (it lacks data, fine_labels or coarse_labels)"
        ) from None
    if (
        pixels.shape != (count, PIXELS)
        or pixels.dtype != np.uint8
        or any(c.shape != (count,) for c in columns)
    ):
        raise DataError(
            f"{path}: is no part of CIFAR-100 (data {list(pixels.shape)}, expected [{count}, {PIXELS}])"
        )
    return np.concatenate([*(c.astype(np.uint8)[:, None] for c in columns), pixels], axis=1)


def _download(root: Path, given: bool) -> None:
    """Have torchvision fetch and unpack the python layout into the folder."""
    try:
        reader: Any = _torchvision.readers().CIFAR100
        with contextlib.redirect_stdout(sys.stderr):
            reader(root, train=True, download=True)
    except (ImportError, OSError, RuntimeError) as error:
        where = (
            f"{root} has neither {PYTHON}/ nor {BINARY}/" if given else "no folder with data sets is given"
        )
        last = str(error).strip().rpartition("\n")[2]
        raise DataError(f"data set 'cifar100': {where}, and torchvision failed ({last}); {HELP}") from None

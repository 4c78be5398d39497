"""MNIST, the 60,000 training images: images [60000, 28, 28] uint8 in 0..255, labels [60000] uint8.

Read by torchvision from a folder in its layout, `<root>/MNIST/raw/`: the four official files, unpacked or as
`.gz`. What the folder lacks is downloaded there by torchvision; without a folder, to a temporary one.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perennial.datasets import DataError, _made_up, _torchvision
from perennial.problems import Arrays

SHA256 = "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b"
SOURCE = "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits (training part)"
LICENCE = "no formal licence; free use with attribution"

# SHA-256 of the official files, unpacked. (torchvision knows the MD5 of the packed ones.)
UNPACKED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FOLDER = Path("MNIST") / "raw"
HELP = (
    f"put {', '.join(UNPACKED)} (each may end in .gz) into {FOLDER}/ of a folder, and name that folder "
    "in the environment's PERENNIAL_DATA or the config's data.root"
)
PATIENCE = 10.0  # seconds without an answer after which a mirror is given up


def arrays(root: Path | None) -> Arrays:
    """Images and labels.

    Args:
        root: the folder that holds `MNIST/raw/`; None to download.

    Raises:
        DataError: a file with wrong bytes, or files that are neither there nor to be had.
    """
    if root is not None:
        return _read(root)
    with tempfile.TemporaryDirectory() as temporary:
        return _read(Path(temporary), given=False)


def stand_in() -> Arrays:
    """Made-up images of the same shape and share of lit pixels, for timing alone."""
    return _made_up.digits(60_000, 28, 255, lit=0.19)


def _read(root: Path, given: bool = True) -> Arrays:
    if not root.is_dir():
        raise DataError(f"data set 'mnist': {root} is no folder (PERENNIAL_DATA, or data.root in the config)")
    reader = _reader()
    _check_files(root / FOLDER, dict(reader.resources))
    missing = [name for name in UNPACKED if not (root / FOLDER / name).is_file()]
    try:
        with _quickly():
            data = reader(root, train=True, download=bool(missing))
    except (OSError, RuntimeError) as error:
        where = (
            f"{root / FOLDER} lacks {', '.join(missing)}" if given else "no folder with data sets is given"
        )
        raise DataError(
            f"data set 'mnist': {where}, and torchvision failed ({_last_line(error)}); {HELP}"
        ) from None
    _check_files(root / FOLDER, {})
    return {"images": data.data.numpy(), "labels": data.targets.numpy().astype(np.uint8)}


def _reader() -> Any:
    try:
        return _torchvision.readers().MNIST
    except ImportError as error:
        raise DataError(
            f"data set 'mnist': its reader, torchvision, cannot be imported ({_last_line(error)})"
        ) from None


def _check_files(folder: Path, packed: dict[str, str]) -> None:
    """Refuse a file that is there but is not the official one; `packed`: MD5 by name."""
    known = {name: ("sha256", digest) for name, digest in UNPACKED.items()}
    known |= {name: ("md5", digest) for name, digest in packed.items()}
    for name, (kind, expected) in known.items():
        path = folder / name
        if path.is_file() and (found := _digest(path, kind)) != expected:
            raise DataError(f"{path}: not the official file of MNIST ({kind} {found}, expected {expected})")


def _digest(path: Path, kind: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


@contextlib.contextmanager
def _quickly() -> Iterator[None]:
    """Give a silent mirror up soon, and keep torchvision's talk about its tries off the standard output."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2]

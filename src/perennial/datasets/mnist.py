"""MNIST, the 60,000 training images: images [60000, 28, 28] uint8 in 0..255, labels [60000] uint8.

Read from a folder in torchvision's layout, `<root>/MNIST/raw/`: the two official files of the training part, unpacked
or as `.gz`, and nothing is written there. What it lacks is downloaded there by torchvision; without a folder, to a
temporary one.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perennial.datasets import DataError, _made_up, _torchvision
from perennial.problems import Arrays

SHA256 = "edc0d1098aa497be14ace79ddd5171e5a3dcf9c4d196c015389203eb3ba1f59b"
SOURCE = "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits (training part)"
LICENCE = "no formal licence; free use with attribution"

# SHA-256 of the official files, unpacked. Only the training part is needed.
UNPACKED = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
}
NEEDED = tuple(UNPACKED)
IMAGES_AT, LABELS_AT, SIDE = 16, 8, 28  # bytes of the headers: a magic number, and the sizes of the axes
LARGEST = 1 << 26  # bytes that are unpacked at most
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
    raw = root / FOLDER
    found = {name: _official(raw, name) for name in NEEDED}
    missing = [name for name, content in found.items() if content is None]
    if missing:
        _download(root, f"{raw} lacks {', '.join(missing)}" if given else "no folder with data sets is given")
        found |= {name: _official(raw, name) for name in missing}
    images, labels = (np.frombuffer(found[name] or b"", np.uint8) for name in NEEDED)
    return {"images": images[IMAGES_AT:].reshape(-1, SIDE, SIDE), "labels": labels[LABELS_AT:]}


def _official(folder: Path, name: str) -> bytes | None:
    """The bytes of an official file, unpacked or as .gz, whichever is good; None where it is there as neither.

    Raises:
        DataError: it is there, but with other bytes.
    """
    wrong: list[str] = []
    for path in (folder / name, folder / f"{name}.gz"):
        if not path.is_file():
            continue
        content, problem = _content(path)
        found = hashlib.sha256(content).hexdigest()
        if not problem and found == UNPACKED[name]:
            if wrong:
                print(f"data mnist: {wrong[0]}; {path.name} is used", file=sys.stderr, flush=True)
            return content
        what = problem or f"sha256 {found}, expected {UNPACKED[name]}"
        wrong.append(f"{path}: not the official file of MNIST ({what})")
    if wrong:
        raise DataError(wrong[0])
    return None


def _content(path: Path) -> tuple[bytes, str]:
    """A file's bytes, unpacked, and what is wrong with it."""
    try:
        if path.suffix != ".gz":
            return path.read_bytes(), ""
        with gzip.open(path) as file:
            return file.read(LARGEST), ""
    except (OSError, EOFError, zlib.error) as error:
        return b"", getattr(error, "strerror", None) or str(error)


def _download(root: Path, where: str) -> None:
    """Have torchvision fetch what is missing into the folder."""
    reader = _reader()
    try:
        with _quickly():
            reader(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"data set 'mnist': {where}, and torchvision failed ({_last_line(error)}); {HELP}"
        ) from None


def _reader() -> Any:
    try:
        return _torchvision.readers().MNIST
    except ImportError as error:
        raise DataError(
            f"data set 'mnist': its reader, torchvision, cannot be imported ({_last_line(error)})"
        ) from None


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

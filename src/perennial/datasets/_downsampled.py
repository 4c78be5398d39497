"""The official downsampled ImageNet: ten pickled batches that mix the classes (Chrabaszcz et al. 2017).

A batch is a dict of `data` [n, 3072] uint8 (the red plane, the green, the blue), `labels` (n numbers from 1 on) and
`mean` [3072], the mean of all training images. The batches are read one at a time, twice: for the labels, then for
the images. File order of a class is its order through the batches.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perennial.datasets import DataError, _pickled
from perennial.datasets import _images_by_class as by_class
from perennial.jobs.progress import Progress

BATCHES = 10
NAMES = "map_clsloc.txt"
KNOWN = {NAMES, *(f"train_data_batch_{k}" for k in range(1, BATCHES + 1))}


def prepare(folder: Path) -> Callable[[Any], None]:
    """Read all labels.

    Args:
        folder: with the batches and, if there is one, `map_clsloc.txt` ("n01440764 449 tench" a line).

    Returns:
        what writes the arrays into an open HDF5 file.

    Raises:
        DataError: a batch is missing, cannot be read or has another layout, or a label has no name.
    """
    paths = [folder / f"train_data_batch_{k}" for k in range(1, BATCHES + 1)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"{folder}: lacks {', '.join(missing)}")
    if others := sorted(ascii(path.name)[1:-1] for path in folder.iterdir() if path.name not in KNOWN):
        print(f"data imagenet32: {folder}: not taken: {', '.join(others)}", file=sys.stderr, flush=True)
    mean = _read(paths[0])["mean"]
    seen: dict[str, Path] = {}
    labels = [_labels(path, mean, seen) for path in paths]
    known, counts = np.unique(np.concatenate(labels), return_counts=True)
    names = _names(folder / NAMES, known)
    order = np.argsort(names)  # [class]: official labels are in another order than the names
    rank = np.argsort(order)  # [label]: its class

    def write(file: Any) -> None:
        images = by_class.create(file, [names[k] for k in order], counts[order])
        file.create_dataset("mean", data=mean.astype(np.float64).reshape(by_class.SHAPE))
        file.attrs["made_from"] = "the official downsampled batches"
        _place(paths, images, known, rank, by_class.starts(counts[order]))

    return write


def _labels(path: Path, mean: np.ndarray, seen: dict[str, Path]) -> np.ndarray:
    """Labels of a batch; `seen` by the digest of the images: the batches before."""
    batch = _read(path)
    earlier = seen.setdefault(hashlib.sha256(np.ascontiguousarray(batch["data"])).hexdigest(), path)
    if earlier is not path:
        raise DataError(f"{path}: holds the same images as {earlier.name}; is it a copy of that?")
    if not np.allclose(batch["mean"], mean):
        raise DataError(f"{path}: its mean image is not that of the first batch; are these of one download?")
    return batch["labels"]


def _place(paths: list[Path], images: Any, known: np.ndarray, rank: np.ndarray, first: np.ndarray) -> None:
    """Put every image of every batch behind those of its class; `first` [class] is where the class begins."""
    progress = Progress("data imagenet32", len(images), unit="images", size=1)
    following = first.copy()  # [class] where its next image goes
    for path in paths:
        progress.add(_place_batch(_read(path), images, known, rank, following))


def _place_batch(
    batch: dict[str, np.ndarray], images: Any, known: np.ndarray, rank: np.ndarray, following: np.ndarray
) -> int:
    """Place one batch, which is let go before the next is read; the number of its images."""
    data = batch["data"].reshape(-1, *by_class.SHAPE)
    classes = rank[np.searchsorted(known, batch["labels"])]  # [n]
    rows = np.argsort(classes, kind="stable")  # by class, in file order
    present, count = np.unique(classes, return_counts=True)
    for c, own in zip(present, np.split(rows, np.cumsum(count)[:-1]), strict=True):
        images[following[c] : following[c] + len(own)] = data[own]
        following[c] += len(own)
    return len(data)


def _read(path: Path) -> dict[str, np.ndarray]:
    """A batch with its arrays checked.

    Raises:
        DataError: names the file and what is wrong with it.
    """
    batch = _pickled.load(path, "batch of downsampled ImageNet")
    lacks = [key for key in ("data", "labels", "mean") if not isinstance(batch, dict) or key not in batch]
    if lacks:
        raise DataError(f"{path}: is no batch of downsampled ImageNet (it lacks {', '.join(lacks)})")
    try:
        found = {key: np.asarray(batch[key]) for key in ("data", "labels", "mean")}
    except ValueError as error:  # lists of unequal length
        raise DataError(f"{path}: is no batch of downsampled ImageNet ({error})") from None
    n, pixels = len(np.atleast_1d(found["labels"])), int(np.prod(by_class.SHAPE))
    if found["data"].shape != (n, pixels) or found["data"].dtype != np.uint8 or found["mean"].size != pixels:
        shapes = ", ".join(f"{key} {array.shape} {array.dtype}" for key, array in found.items())
        raise DataError(f"{path}: has {shapes}; expected data ({n}, {pixels}) uint8 and a mean of {pixels}")
    _check_numbers(path, found, n)
    return found


def _check_numbers(path: Path, found: dict[str, np.ndarray], n: int) -> None:
    """Refuse labels and a mean that are other numbers than the official ones."""
    labels, mean = found["labels"], found["mean"]
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or n == 0:
        raise DataError(
            f"{path}: has labels {labels.shape} {labels.dtype}; expected a list of whole numbers, one for each image"
        )
    if mean.dtype.kind not in "fiu" or not np.isfinite(mean).all() or mean.min() < 0 or mean.max() > 255:
        raise DataError(f"{path}: has a mean image of {mean.dtype} that is not one of numbers from 0 to 255")
    if mean.max() <= 1 < found["data"].max():
        raise DataError(
            f"{path}: its mean image goes from {mean.min():.3g} to {mean.max():.3g}; expected that of images in 0..255"
        )


def _names(path: Path, known: np.ndarray) -> list[str]:
    """The name of each label, or `class_0001` where there is no list."""
    if not path.exists():
        return [f"class_{label:04d}" for label in known]
    try:
        if not path.is_file():
            raise OSError("no regular file")
        lines = [line.split() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        names = {int(label): name for name, label, *_ in lines}
    except (OSError, ValueError):
        raise DataError(f"{path}: cannot be read (each line must be: name, label, words)") from None
    if len(set(names.values())) < len(names) or len(names) < len(lines):
        raise DataError(f"{path}: gives a label or a name twice")
    lacking = [int(label) for label in known if int(label) not in names]
    if lacking:
        raise DataError(f"{path}: has no name for label {lacking[0]}")
    return [names[int(label)] for label in known]

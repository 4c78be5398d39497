"""Full-size images by class, each class a folder or a .tar file, scaled to 32x32 on several threads.

A finished class is a sealed file of its own in the scratch folder, with a fingerprint of the files that it was made
from. So whatever stops the work, what is finished stays; and a class whose files have changed is made again.

Whatever is not RGB is converted, and counted by its mode. A file that cannot be decoded is left out: it is told in a
line, counted, and named in the data set file.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from perennial.datasets import DataError
from perennial.datasets import _images_by_class as by_class
from perennial.datasets._box_resize import Unreadable, resize
from perennial.datasets._class_files import Class, classes
from perennial.files import store
from perennial.jobs.progress import Progress

SHOWN = 20  # files beside the classes that the log names
NAMED = 200  # files left out that the data set file names; the log names all


def prepare(folder: Path, scratch: Path, threads: int) -> Callable[[Any], None]:
    """Scale all images that are not scaled yet.

    Args:
        folder: with a folder or a .tar file for each class.
        scratch: where finished classes lie.
        threads: classes worked on at the same time.

    Returns:
        what writes the arrays into an open HDF5 file.

    Raises:
        DataError: no classes, a file that cannot be read, or a class without a single image.
    """
    found, others = classes(folder)
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        _say(f"{folder}: not taken, as no class: {', '.join(others[:SHOWN])}{more}")
    paths = [scratch / f"{one.name}.h5" for one in found]
    waiting = [(one, path) for one, path in zip(found, paths, strict=True) if not _is_finished(one, path)]
    if len(waiting) < len(found):
        _say(f"{len(found) - len(waiting):,} of {len(found):,} classes are scaled already")
    progress = Progress("data imagenet32", sum(len(one.files) for one, _ in waiting), unit="images", size=1)
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        for _ in pool.map(lambda job: _scale(*job, progress), waiting):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # after an error no further class is begun

    def write(file: Any) -> None:
        _gather(file, [one.name for one in found], paths)
        file.attrs["made_from"] = "full-size images, scaled by a box filter"

    return write


def _is_finished(one: Class, path: Path) -> bool:
    if not path.is_file() or store.check(path):
        return False
    with store.open_checked(path) as file:
        return str(file.attrs["fingerprint"]) == one.fingerprint


def _scale(one: Class, path: Path, progress: Progress) -> None:
    """Scale one class and write its file."""
    images, modes, unreadable = [], Counter[str](), []
    for name, reason in one.left_out:
        _say(f"{one.name}: {name} is left out: {reason}")
        unreadable.append(f"{one.name}/{name}")
    for name, content in one.contents():
        try:
            image, mode = resize(content)
        except Unreadable as error:
            _say(f"{one.name}: {name} is left out: it cannot be decoded ({error})")
            unreadable.append(f"{one.name}/{name}")
        except MemoryError:
            raise DataError(
                f"{one.path}: {name} takes more memory than there is; fewer threads need less"
            ) from None
        else:
            images.append(image)
            modes[mode] += 1
        progress.add(1)
    if not images:
        raise DataError(f"{one.path}: class {one.name} has no image that can be decoded")

    def fill(file: Any) -> None:
        file.create_dataset("images", data=np.stack(images))
        file.attrs["fingerprint"] = one.fingerprint
        file.create_dataset("about", data=json.dumps({"modes": modes, "unreadable": unreadable}))

    store.write(path, fill)


def _gather(file: Any, names: list[str], paths: list[Path]) -> None:
    """Write the arrays of all classes one after another, and what happened to them."""
    counts, modes, unreadable = [], Counter[str](), []
    for path in paths:
        with store.open_checked(path) as part:
            counts.append(len(part["images"]))
            about = json.loads(part["about"][()])
        modes.update(about["modes"])
        unreadable += about["unreadable"]
    images = by_class.create(file, names, np.array(counts))
    total = np.zeros(by_class.SHAPE, np.uint64)
    for first, path in zip(by_class.starts(np.array(counts)), paths, strict=True):
        with store.open_checked(path) as part:
            own = part["images"][...]
        images[first : first + len(own)] = own
        total += own.sum(axis=0, dtype=np.uint64)
    file.create_dataset("mean", data=total / len(images))
    file.attrs["modes"] = json.dumps(modes, sort_keys=True)
    file.attrs["unreadable"] = len(unreadable)
    file.attrs["unreadable_files"] = json.dumps(unreadable[:NAMED])
    _say(_summary(len(images), len(paths), modes, len(unreadable)))


def _summary(images: int, count: int, modes: Counter[str], unreadable: int) -> str:
    converted = [f"{n:,} {mode}" for mode, n in sorted(modes.items()) if mode != "RGB"]
    parts = [f"{images:,} images of {count:,} classes", f"converted to RGB: {', '.join(converted) or 'none'}"]
    return "; ".join([*parts, f"left out because they cannot be decoded: {unreadable:,}"])


def _say(line: str) -> None:
    shown = f"data imagenet32: {line}".encode("utf-8", "backslashreplace").decode()  # a name may be no UTF-8
    print(shown, file=sys.stderr, flush=True)

"""The image files of each class: in a folder of the class's name, or in a .tar file of that name.

File order is the order of the names in either, so that a folder and the .tar file it came from give the same. Whatever
lies there and is not taken is named; a class that is there in another form is refused, as the classes after it would
move up.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perennial.datasets import DataError
from perennial.datasets._tar_members import Members

READING = "2"  # of how files are read; another number scales all classes again
LARGEST = 1 << 28  # bytes of a file that is taken for an image
PACKED = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".zip", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class Class:
    """One class and its files, in order."""

    name: str
    path: Path  #: the folder or the .tar file
    files: tuple[str, ...]
    fingerprint: str  #: changes when a file comes, goes or changes
    left_out: tuple[tuple[str, str], ...] = ()  #: (name, why): what lies there and can be no image

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """(name, bytes) of each file.

        Raises:
            DataError: a file that cannot be read; what it holds is not looked at.
        """
        if self.path.is_dir():
            for name in self.files:
                yield name, _read(self.path / name)
            return
        with _open(self.path) as tar:
            members = Members(tar, self.path, self.name)
            for name in self.files:
                yield name, members.read(name)


def classes(folder: Path) -> tuple[list[Class], list[str]]:
    """All classes of a folder, by name. Of a class that is there as both, the .tar file counts: it is whole.

    Returns:
        the classes, and the names of what lies beside them and is not taken.

    Raises:
        DataError: there are none, or a class is packed in another way, holds no files, or folders.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{_shown(folder)}: cannot be read ({error.strerror})") from None
    found = {path.name: path for path in entries if path.is_dir()}
    tars: dict[str, Path] = {}
    for path in entries:
        if path.suffix.lower() == ".tar" and path.is_file():
            if path.stem in tars:
                raise DataError(
                    f"{_shown(path)}: {tars[path.stem].name} is of the same class; keep one of them"
                )
            tars[path.stem] = path
    found |= tars
    others = [path for path in entries if path not in found.values() and not path.is_dir()]
    for path in others:
        name, packed = _unpacked(path.name)
        if packed and name not in found:
            raise DataError(
                f"{_shown(path)}: class {_shown(name)} is there as {path.name.removeprefix(name)} "
                "(each must be a folder, or a whole .tar file, of images)"
            )
    if not found:
        raise DataError(f"{_shown(folder)}: has no class (each must be a folder, or a .tar file, of images)")
    listed = [
        _tar(name, path) if path.is_file() else _folder(name, path) for name, path in sorted(found.items())
    ]
    return listed, [_shown(path.name) for path in others]


def _unpacked(name: str) -> tuple[str, bool]:
    """`n1.tar.gz.part` -> `n1`, and whether the name is that of something packed, whole or half downloaded."""
    parts = name.split(".")
    for k in range(1, len(parts)):
        if f".{parts[k].lower()}" in PACKED:
            return ".".join(parts[:k]), True
    return name, False


def _folder(name: str, path: Path) -> Class:
    total = hashlib.sha256()
    files, left_out = [], []
    try:
        for file in sorted(path.iterdir()):
            if file.name.startswith("."):
                continue
            if file.is_dir():
                raise DataError(
                    f"{_shown(path)}: holds the folder '{_shown(file.name)}' (must hold the class's images only)"
                )
            about = file.stat()
            total.update(os.fsencode(file.name) + f" {about.st_size} {about.st_mtime_ns}\n".encode())
            if reason := _no_image(file.is_file(), about.st_size):
                left_out.append((file.name, reason))
            else:
                files.append(file.name)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{_shown(error.filename)}: cannot be read ({error.strerror})") from None
    return _class(name, path, files, left_out, total.hexdigest())


def _tar(name: str, path: Path) -> Class:
    files, left_out = [], []
    with _open(path) as tar:
        for member, regular, size in Members(tar, path, name).listed():
            if member.startswith("."):
                continue
            if reason := _no_image(regular, size):
                left_out.append((member, reason))
            else:
                files.append(member)
    about = path.stat()
    return _class(name, path, files, left_out, f"{about.st_size} {about.st_mtime_ns}")


def _no_image(regular: bool, size: int) -> str:
    """Why something can be no image, before it is opened: a FIFO would never end."""
    if not regular:
        return "it is no regular file"
    return f"it is larger than {LARGEST >> 20} MiB" if size > LARGEST else ""


def _class(name: str, path: Path, files: list[str], left_out: list[tuple[str, str]], mark: str) -> Class:
    if not files:
        raise DataError(f"{_shown(path)}: class {_shown(name)} has no files")
    return Class(name, path, tuple(files), f"{READING} {mark}", tuple(left_out))


def _open(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{_shown(path)}: is no whole .tar file ({error})") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{_shown(path)}: cannot be read ({error.strerror})") from None


def _shown(name: Path | str) -> str:
    """A name for people, also one that is no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

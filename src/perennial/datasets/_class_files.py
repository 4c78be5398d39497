"""The image files of each class: in a folder of the class's name, or in a .tar file of that name.

File order is the order of the names in either, so that a folder and the .tar file it came from give the same.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from perennial.datasets import DataError


@dataclass(frozen=True)
class Class:
    """One class and its files, in order."""

    name: str
    path: Path  #: the folder or the .tar file
    files: tuple[str, ...]
    fingerprint: str  #: changes when a file comes, goes or changes

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
            for name in self.files:
                try:
                    file = tar.extractfile(name)
                    assert file is not None, "only regular files are listed"
                    content = file.read()
                except (OSError, tarfile.TarError) as error:
                    raise DataError(f"{self.path}: {name} cannot be read ({error})") from None
                yield name, content


def classes(folder: Path) -> list[Class]:
    """All classes of a folder, by name. Of a class that is there as both, the .tar file counts: it is whole.

    Raises:
        DataError: there are none, or a class holds no files, or folders.
    """
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    found = {path.name: path for path in entries if path.is_dir()}
    found |= {path.stem: path for path in entries if path.suffix == ".tar" and path.is_file()}
    if not found:
        raise DataError(f"{folder}: has no class (each must be a folder, or a .tar file, of images)")
    return [
        _tar(name, path) if path.is_file() else _folder(name, path) for name, path in sorted(found.items())
    ]


def _folder(name: str, path: Path) -> Class:
    total = hashlib.sha256()
    files = []
    try:
        for file in sorted(path.iterdir()):
            if file.name.startswith("."):
                continue
            if file.is_dir():
                raise DataError(f"{path}: holds the folder '{file.name}' (must hold the class's images only)")
            about = file.stat()
            total.update(f"{file.name} {about.st_size} {about.st_mtime_ns}\n".encode())
            files.append(file.name)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return _class(name, path, files, total.hexdigest())


def _tar(name: str, path: Path) -> Class:
    with _open(path) as tar:
        try:
            members = [one.name for one in tar if one.isfile() and not Path(one.name).name.startswith(".")]
        except (OSError, tarfile.TarError) as error:
            raise DataError(f"{path}: is no whole .tar file ({error})") from None
    about = path.stat()
    return _class(name, path, sorted(members), f"{about.st_size} {about.st_mtime_ns}")


def _class(name: str, path: Path, files: list[str], fingerprint: str) -> Class:
    if not files:
        raise DataError(f"{path}: class {name} has no files")
    return Class(name, path, tuple(files), fingerprint)


def _open(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path, "r:")
    except (OSError, tarfile.TarError) as error:
        raise DataError(f"{path}: is no whole .tar file ({error})") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None

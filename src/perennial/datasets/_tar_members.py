"""What a .tar file holds, as the folder would that it is unpacked to, read to its end mark.

`tarfile` takes a damaged header, and the end of a file that was cut between two members, for the end of the archive.
So what follows the last member is looked at: zeros, and nothing else.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path

from perennial.datasets import DataError

PIECE = 1 << 20  # bytes that are looked at at a time


class Members:
    """The members of an open .tar file of a class, by the name that they have in its folder.

    Raises:
        DataError: it is damaged or cut short, holds folders, or a link that leads nowhere inside.
    """

    def __init__(self, tar: tarfile.TarFile, path: Path, name: str) -> None:
        self.tar, self.path, self.name = tar, path, name
        try:
            members = tar.getmembers()
        except (OSError, tarfile.TarError, ValueError) as error:
            raise self._wrong(f"is no whole .tar file ({error})") from None
        self._read_to_the_end()
        files = {
            posixpath.normpath(one.name): one for one in members if not one.isdir()
        }  # the last one counts
        if files and all(path.startswith(f"{name}/") for path in files):  # packed from beside the folder
            files = {path.removeprefix(f"{name}/"): one for path, one in files.items()}
        for path in files:
            if "/" in path:
                raise self._wrong(
                    f"holds the folder '{posixpath.dirname(path)}' (must hold the class's images only)"
                )
        self.files = {path: self._followed(one) for path, one in sorted(files.items())}

    def listed(self) -> Iterator[tuple[str, bool, int]]:
        """(name, whether it is a regular file, its bytes) of each, in the order of the names."""
        for name, one in self.files.items():
            yield name, one.isfile(), one.size

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        try:
            file = self.tar.extractfile(self.files[name])
            content = file.read() if file else b""
        except (OSError, tarfile.TarError) as error:
            raise self._wrong(f"{name} cannot be read ({error})") from None
        if file is None or len(content) != self.files[name].size:
            raise self._wrong(f"{name} cannot be read (it is cut short)")
        return content

    def _read_to_the_end(self) -> None:
        """After the last member there must be a block of zeros, and zeros only."""
        file = self.tar.fileobj
        assert file is not None, "it is open"
        file.seek(self.tar.offset)
        block = file.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            raise self._wrong(
                f"is no whole .tar file (it ends at byte {self.tar.offset:,}, without an end mark)"
            )
        while block:
            if block.strip(b"\0"):
                where = f"after byte {self.tar.offset:,} comes neither a member nor the end mark"
                raise self._wrong(f"is no whole .tar file ({where})")
            block = file.read(PIECE)

    def _followed(self, one: tarfile.TarInfo) -> tarfile.TarInfo:
        """What a link leads to, as in the folder."""
        name, seen = one.name, set()
        while one.issym() or one.islnk():
            target = one.linkname
            if one.issym():
                target = posixpath.join(posixpath.dirname(one.name), target)
            target = posixpath.normpath(target)
            if target in seen:
                raise self._wrong(f"{name} is a link that leads to itself")
            seen.add(target)
            try:
                one = next(
                    m
                    for m in reversed(self.tar.getmembers())
                    if posixpath.normpath(m.name) == target and m is not one
                )
            except StopIteration:
                raise self._wrong(f"{name} is a link to {target}, which is not inside") from None
        if one.isdir():
            raise self._wrong(f"{name} is a link to a folder (must hold the class's images only)")
        return one

    def _wrong(self, what: str) -> DataError:
        return DataError(f"{self.path}: {what}")

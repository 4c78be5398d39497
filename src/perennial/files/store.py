"""Result files that survive: written whole, sealed, and never half read.

A file is HDF5 with a 512-byte user block in front (part of the HDF5 format, ignored by every reader).
The user block holds the length and SHA-256 of all that follows. It is the end mark: a file without it,
or whose bytes disagree with it, is bad.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from perennial.errors import UserError
from perennial.files import seams
from perennial.files.sink import Sink

if TYPE_CHECKING:
    import h5py

FORMAT = 1
USER_BLOCK = 512  # the smallest that HDF5 allows
MAGIC = b"perennial sealed HDF5\n"
PATIENCE = 2.0  # seconds that a file is waited for while another process has it open for writing


class BadFile(UserError, OSError):
    """A result file that cannot be trusted. The message names the file and the reason."""


class Busy(BadFile):
    """A result file that another process has open for writing. It may be whole: nobody sets it aside for that."""

    REASON = "is in use by another process"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: {self.REASON}, which has it open for writing; close it there and start again"
        )


class CannotWrite(UserError, OSError):
    """The system did not let us write a file. The message names the file, the reason, and what stays safe."""

    def __init__(self, path: Path, error: OSError, safe: str = "finished files are unharmed") -> None:
        self.reason = str(getattr(error, "reason", None) or error.strerror or error)  #: in the system's words
        super().__init__(f"{path}: cannot be written ({self.reason}); {safe}")


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a reader sees the old file or the new one, never a part.

    Raises:
        CannotWrite: no space, no permission, or the like. The old file is left as it was.
    """
    with _replaced(Path(path)) as sink:
        sink.write(data)


def write(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write a sealed HDF5 file: temporary file, seal, fsync, rename, fsync of the folder.

    Args:
        path: the file to make or replace; its folder is made when missing.
        fill: writes groups, arrays and attributes into the open file.

    Raises:
        CannotWrite: no space, no permission, or the like. The old file is left as it was.
    """
    import h5py

    path = Path(path)
    with _replaced(path) as sink:
        with h5py.File(sink, "w", userblock_size=USER_BLOCK, libver="latest") as file:
            file.attrs["format"] = FORMAT
            fill(file)
            seams.reach("store.filled", path)
        seams.reach("store.before_seal", path)
        with open(sink.path, "rb") as written:
            length, digest = _digest(written)
        sink.seek(0)
        sink.write((MAGIC + f"{length}\n{digest}\n".encode()).ljust(USER_BLOCK, b"\0"))


@contextmanager
def _replaced(path: Path) -> Iterator[Sink]:
    """A file beside `path` that takes its place when all went well, and is gone otherwise."""
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        new = Sink(temporary)
    except OSError as error:
        raise CannotWrite(path, error) from None
    try:
        try:
            seams.reach("store.opened", path)
            yield new
        except Exception:
            if new.failure:  # then this is what came of it
                raise CannotWrite(path, new.failure) from None
            raise
        try:
            new.sync()
            _move(temporary, path)
        except OSError as error:
            raise CannotWrite(path, error) from None
    finally:
        new.close()
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove what writers of `path` on this machine left when they were killed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(socket.gethostname())}-*.tmp"):
        process = left.name.removesuffix(".tmp").rpartition("-")[2]
        if process.isdecimal() and not _lives(int(process)):
            left.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        pass
    return True


def _digest(file: BinaryIO) -> tuple[int, str]:
    digest, length = hashlib.sha256(), 0
    file.seek(USER_BLOCK)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        length += len(chunk)
    return length, digest.hexdigest()


def _move(temporary: Path, path: Path) -> None:
    seams.reach("store.before_rename", path)
    os.replace(temporary, path)
    seams.reach("store.renamed", path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # without it a power cut may undo the rename
    finally:
        os.close(folder)


def check(path: Path) -> str | None:
    """Why a sealed file is bad, or None when it is good. Needs no HDF5 library.

    Raises:
        Busy: another process has it open for writing, and does not close it soon.
    """
    try:
        with open(path, "rb") as file:
            _wait_for_writer(file, path)
            return _why_bad(file)
    except Busy:
        raise
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _wait_for_writer(file: BinaryIO, path: Path) -> None:
    """Wait until no other process has an open file open for writing, and keep others from it until it is closed.

    HDF5 locks a file that it may write to, and marks that in its first bytes, so the seal disagrees until it is closed.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise Busy(path) from None
        except OSError:  # a file system without locks: nobody can tell
            return
        time.sleep(0.02)


def _why_bad(file: BinaryIO) -> str | None:
    mark = file.read(USER_BLOCK)
    if len(mark) < USER_BLOCK or not mark.startswith(MAGIC):
        return "has no end mark (a writer was stopped, or it is not one of ours)"
    lines = mark[len(MAGIC) :].rstrip(b"\0").decode("ascii", "replace").split("\n")
    length_text, expected = (*lines, "", "")[:2]
    length, found = _digest(file)
    if str(length) != length_text:
        return f"is truncated ({length} of {length_text} bytes)"
    if found != expected:
        return "fails its checksum"
    return None


def open_checked(path: Path) -> h5py.File:
    """Open a sealed file for reading.

    Raises:
        BadFile: when the seal is missing or broken.
        Busy: another process has it open for writing.
    """
    import h5py

    reason = check(Path(path))
    if reason:
        raise BadFile(f"{path}: {reason}")
    try:
        return h5py.File(path, "r")
    except BlockingIOError:  # since the check
        raise Busy(path) from None


def write_tree(parent: h5py.Group, name: str, tree: Any) -> None:
    """Write nested dicts of arrays under `parent`; the order of their keys is kept, empty ones too."""
    if not isinstance(tree, dict):
        parent.create_dataset(name, data=tree)
        return
    group = parent.create_group(name, track_order=True)
    for key, value in tree.items():
        write_tree(group, key, value)


def read_tree(node: Any) -> Any:
    """The nested dicts of arrays that `write_tree` wrote."""
    if hasattr(node, "items"):
        return {key: read_tree(value) for key, value in node.items()}
    return node[...]

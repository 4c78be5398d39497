"""A folder that one process holds as long as it lives: two starts of one block cannot disturb each other."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from perennial.errors import UserError
from perennial.files import seams, store


class InUse(UserError, RuntimeError):
    """Another process trains the block now."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a block, as long as this process lives, on file systems that have locks.

    Raises:
        InUse: another process holds it.
        store.CannotWrite: the folder cannot be made or written to.
    """
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A link would be followed to a file of somebody's, which would be emptied.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO is not waited for
        lock = open(os.open(path, flags, 0o666), "r+b", buffering=0)  # noqa: SIM115  closed below
        if not stat.S_ISREG(os.fstat(lock.fileno()).st_mode):
            lock.close()
            raise OSError(errno.EINVAL, "it is no regular file")
    except OSError as error:
        if error.errno == errno.ELOOP:
            error = OSError(errno.ELOOP, "it is a link, which is not followed")
        raise store.CannotWrite(path, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().decode()
            raise InUse(f"{folder}: {holder} trains this block now; wait for it, or end it") from None
        except OSError:
            pass  # no locks here: two at once write the same bytes
        try:
            try:
                lock.truncate(0)
                seams.reach("checkpoint.locked", path)
                lock.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            except OSError as error:
                raise store.CannotWrite(path, error) from None
            yield
        finally:
            with suppress(OSError):  # a network file system keeps an open file's folder
                (folder / "lock").unlink(missing_ok=True)
                folder.rmdir()

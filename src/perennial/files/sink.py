"""The file that HDF5 writes into. An error never reaches HDF5, which would crash the process later.

HDF5 cannot close a file whose last bytes it failed to write: it keeps the file open, and often ends in a segmentation
fault. So a failure is noted here, what follows goes nowhere, and whoever opened the file asks for the failure.
"""

from __future__ import annotations

import os
from pathlib import Path

from perennial.files import seams


class Sink:
    """A new file, in the form that h5py takes: offsets are given, nothing is buffered.

    Args:
        path: of the file.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: OSError | None = None  #: the first; the file is worthless then
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self._at = 0

    def write(self, data: memoryview | bytes) -> int:
        """Write at the position."""
        view = memoryview(data).cast("B")
        try:
            if self.failure is None:
                half = len(view) // 2
                self._put(view[:half])
                seams.reach("sink.half_written", self.path)
                self._put(view[half:], half)
        except OSError as error:
            self.failure = error
        self._at += len(view)
        return len(view)

    def read(self, size: int) -> bytes:
        """Read from the position."""
        found = bytearray(size)
        self.readinto(memoryview(found))
        return bytes(found)

    def readinto(self, data: memoryview) -> int:
        """Read from the position; what is not there reads as zeros."""
        view = memoryview(data).cast("B")
        found = os.preadv(self._file, [view], self._at)
        view[found:] = bytes(len(view) - found)
        self._at += len(view)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, or with SEEK_END to the end."""
        self._at = offset + (os.fstat(self._file).st_size if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        """The position."""
        return self._at

    def truncate(self, size: int) -> int:
        """Give the file a size."""
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            self.failure = self.failure or error
        return size

    def flush(self) -> None:
        """Nothing waits here; see `sync`."""

    def sync(self) -> None:
        """Wait until all is on the disk.

        Raises:
            OSError: this or anything before went wrong.
        """
        if self.failure:
            raise self.failure
        seams.reach("sink.before_fsync", self.path)
        os.fsync(self._file)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _put(self, view: memoryview, begin: int = 0) -> None:
        done = 0
        while done < len(view):  # a disk that gets full takes a part first
            done += os.pwrite(self._file, view[done:], self._at + begin + done)

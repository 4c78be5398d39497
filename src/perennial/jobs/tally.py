"""A count of the run-steps that were really done for a block, with those that a kill undid.

A file with one line for each start: what the start belongs to, its process, and the run-steps it has done so far. The
line is written over in place a few times a second, so a kill at any moment takes next to nothing from the count.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

EVERY = 0.1  # seconds between two writes


class Tally:
    """The run-steps done for a block by this process and by those before it.

    Args:
        path: the file; made with the first step. None: only this process counts.
        mark: stands for all that determines the runs. Starts with another mark do not count.
    """

    def __init__(self, path: Path | None = None, mark: str = "-") -> None:
        self.path, self.mark = path, mark
        self.earlier = _read(path, mark) if path else []
        self.own = 0
        self._place: int | None = None  # of the own line in the file
        self._written, self._lock = 0.0, threading.Lock()

    @property
    def starts(self) -> int:
        """Processes that have trained."""
        return len(self.earlier) + bool(self.own)

    @property
    def steps(self) -> int:
        """Run-steps done in all; more than the runs are long where a kill undid some."""
        return sum(self.earlier) + self.own

    def add(self, steps: int) -> None:
        """`steps` more were done, by any thread."""
        with self._lock:
            self.own += steps
            if time.monotonic() - self._written >= EVERY:
                self._write()

    def flush(self) -> None:
        """Write the count now: before a save, so that no step is kept that was not counted."""
        with self._lock:
            if self.own:
                self._write()

    def _write(self) -> None:
        """Write the own line; where that fails, the count is lost and nothing else."""
        self._written = time.monotonic()
        if self.path is None:
            return
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                if self._place is None:
                    self._place = os.fstat(file).st_size
                os.pwrite(file, f"{self.mark} {os.getpid():10d} {self.own:20d}\n".encode(), self._place)
            finally:
                os.close(file)
        except OSError:
            return


def _read(path: Path, mark: str) -> list[int]:
    """Run-steps of each earlier start with this mark. Lines that are no such line count nothing."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return []
    return [int(words[2]) for words in lines if len(words) == 3 and words[0] == mark and words[2].isdigit()]

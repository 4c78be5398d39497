"""Places where a write may be cut short, by name, so that tests can make it happen there.

`PERENNIAL_FAULT=kill@store.filled:3:seeds_*` kills the process (SIGKILL) when it comes to the seam `store.filled` of
a file named like that for the third time. `full@...` raises what a full disk raises. The count and the pattern may be
left out: the first time, any file. Without the variable nothing happens. The tests are in tests/faults.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

from perennial.errors import UserError

VARIABLE = "PERENNIAL_FAULT"

_reached: Counter[str] = Counter()


class FaultError(UserError, ValueError):
    """The variable asks for something that is not understood."""


def reach(name: str, path: Path) -> None:
    """Say that this process is at a seam, about to go on with `path`.

    Raises:
        OSError: the variable asks for a full disk here.
        FaultError: it is not understood.
    """
    if fault := os.environ.get(VARIABLE):
        action, _, place = fault.partition("@")
        seam, count, pattern = (*place.split(":"), "", "")[:3]
        if seam == name and fnmatch(path.name, pattern or "*"):
            _reached[fault] += 1
            if _reached[fault] == _count(fault, count):
                _fail(action, path)


def _count(fault: str, count: str) -> int:
    if count and not (count.isascii() and count.isdigit() and int(count[:9])):
        raise FaultError(
            f"{VARIABLE}={fault}: '{count}' is no count (must be a whole number from 1 on, or nothing)"
        )
    return int(count[:9] or 1)


def _fail(action: str, path: Path) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

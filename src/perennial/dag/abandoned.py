"""Remove the lock of a Snakemake that was killed, so that a plain start goes on where it stood.

Snakemake locks a folder by files that name no process: after a kill they stay, and every start ends with a request
to unlock by hand. So each start of this workflow also holds a lock that ends with its process. A start that finds
nobody else holding it knows that Snakemake's lock files were abandoned.
"""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

_held: list[TextIO] = []  # open as long as this process lives


def remove_locks(folder: Path = Path(".snakemake"), say: Callable[[str], object] = print) -> None:
    """Hold `folder`, and remove Snakemake's lock files from it if no living process can own them.

    Where several machines have used the folder, or the file system has no locks, Snakemake's own are left alone.

    Args:
        folder: Snakemake's folder of the workflow.
        say: takes one line for people.
    """
    file = open(folder / "held", "a+", encoding="utf-8")  # noqa: SIM115  it stays open
    _held.append(file)
    host = socket.gethostname()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except OSError:
        alone = False
    file.seek(0)
    hosts, locks = set(file.read().split()), sorted((folder / "locks").glob("*.lock"))
    if alone and hosts == {host} and locks:
        for path in locks:
            path.unlink(missing_ok=True)
        say(f"{folder}: the last start was killed; its lock is removed, and work goes on where it stood")
        locks = []
    if alone and not locks:
        file.truncate(0)  # a new beginning: only this machine uses it
        hosts = set()
    if host not in hosts:
        file.write(f"{host}\n")
        file.flush()
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may start beside this one

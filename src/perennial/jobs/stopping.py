"""Being asked to stop: SIGTERM, SIGINT and SIGUSR1 leave a note, and the work stops where it can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from perennial.errors import UserError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(UserError):
    """The work was stopped on request. The message says by what, and how it goes on."""


@dataclass
class Request:
    """Whether this process was asked to stop."""

    signal: str | None = None  #: name of the signal that asked


@contextmanager
def on_request() -> Iterator[Request]:
    """Take note of signals instead of dying of them, however often they come; a second Ctrl-C acts as it did before.

    Slurm sends SIGTERM to a job's processes and to `srun`, which passes it on: the second must not end the save.
    Only the main thread may do this; elsewhere signals are left as they are.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: Any) -> None:  # nothing else here: printing is not safe in a handler
        request.signal = request.signal or signal.Signals(number).name
        if number == signal.SIGINT:
            signal.signal(number, before[number])

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield request
    finally:
        restore()

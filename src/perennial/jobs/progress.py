"""Progress of a long job: a line now and then with the share done and the time left."""

from __future__ import annotations

import sys
import threading
import time


class Progress:
    """Counts run-steps, or anything else, from any thread and tells people about them.

    Args:
        label: what is being done.
        total: steps in all.
        every: seconds between two lines.
        unit: what is counted, for people.
        size: how many of them make one unit.
    """

    def __init__(
        self, label: str, total: int, every: float = 10.0, unit: str = "M steps", size: int = 1_000_000
    ) -> None:
        self.label, self.total, self.every = label, total, every
        self.unit, self.size = unit, size
        self.done, self.skipped, self.start = 0, 0, time.monotonic()
        self._said, self._lock = self.start, threading.Lock()

    def skip(self, steps: int) -> None:
        """`steps` run-steps were done before this process began: they say nothing about its speed."""
        with self._lock:
            self.done, self.skipped = self.done + steps, self.skipped + steps

    def add(self, steps: int) -> None:
        """`steps` more are done."""
        with self._lock:
            self.done += steps
            now = time.monotonic()
            own = self.done - self.skipped
            if now - self._said < self.every or own < 0.01 * self.total:
                return  # the first steps wait for the compiler and say nothing about the rest
            self._said = now
            left = (now - self.start) * (self.total - self.done) / max(own, 1)
            share = 100 * self.done / self.total
            digits = 0 if self.size == 1 else 1
            done, total = (f"{n / self.size:,.{digits}f}" for n in (self.done, self.total))
            counts = f"{done} of {total} {self.unit}"
            print(f"{self.label}: {share:3.0f} % ({counts}), {clock(left)} left", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """A duration for people: 45 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"

"""Progress of a long job: a line now and then with the share done and the time left."""

from __future__ import annotations

import sys
import threading
import time


class Progress:
    """Counts run-steps from any thread and tells people about them.

    Args:
        label: what is being done.
        total: run-steps in all.
        every: seconds between two lines.
    """

    def __init__(self, label: str, total: int, every: float = 10.0) -> None:
        self.label, self.total, self.every = label, total, every
        self.done, self.skipped, self.start = 0, 0, time.monotonic()
        self._said, self._lock = self.start, threading.Lock()

    def skip(self, steps: int) -> None:
        """`steps` run-steps were done before this process began: they say nothing about its speed."""
        self.done, self.skipped = self.done + steps, self.skipped + steps

    def add(self, steps: int) -> None:
        """`steps` more run-steps are done."""
        with self._lock:
            self.done += steps
            now = time.monotonic()
            own = self.done - self.skipped
            if now - self._said < self.every or own < 0.01 * self.total:
                return  # the first steps wait for the compiler and say nothing about the rest
            self._said = now
            left = (now - self.start) * (self.total - self.done) / max(own, 1)
            share = 100 * self.done / self.total
            counts = f"{self.done / 1e6:,.1f} of {self.total / 1e6:,.1f} M steps"
            print(f"{self.label}: {share:3.0f} % ({counts}), {clock(left)} left", file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """A duration for people: 45 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"

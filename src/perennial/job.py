"""What the thin scripts share: output that goes to the terminal and to the job's log."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO


class Tee:
    """A text stream that writes to several others, line by line."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Write the text to every stream and let people see it at once."""
        for stream in self._streams:
            stream.write(text)
            stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush every stream."""
        for stream in self._streams:
            stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._streams[0], name)  # isatty, encoding, fileno: those of the terminal


@contextmanager
def logged(path: str | Path, clear: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Send what is printed to the terminal and to a log file. An error ends in both, and ends the process.

    Args:
        path: the log file.
        clear: errors whose message says all there is to say; their traceback is left out.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as log:
        out, err = Tee(sys.stdout, log), Tee(sys.stderr, log)
        with redirect_stdout(out), redirect_stderr(err):  # type: ignore[type-var]
            try:
                yield
            except clear as error:
                print(error, file=sys.stderr)
                raise SystemExit(1) from None
            except Exception:
                traceback.print_exc()
                raise SystemExit(1) from None

"""What the thin scripts share: output that goes to the terminal and to the job's log."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from perennial.errors import UserError


class Log:
    """A log file that cannot fail: a full disk costs lines of it, not the job."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):  # what the job has to say about that disk goes to the terminal
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115

    def write(self, text: str) -> int:
        """Write the text; nothing waits in a buffer."""
        with suppress(OSError):
            if self._file:
                self._file.write(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


class Tee:
    """A text stream that writes to several others, line by line."""

    def __init__(self, *streams: TextIO | Log) -> None:
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
def logged(path: str | Path) -> Iterator[None]:
    """Send what is printed to the terminal and to a log file. An error ends in both, and ends the process.

    A `UserError` is shown without its traceback.
    """
    with closing(Log(Path(path))) as log:
        out, err = Tee(sys.stdout, log), Tee(sys.stderr, log)
        with redirect_stdout(out), redirect_stderr(err):  # type: ignore[type-var]
            try:
                yield
            except UserError as error:
                print(error, file=sys.stderr)
                raise SystemExit(1) from None
            except Exception:
                traceback.print_exc()
                raise SystemExit(1) from None

"""A file system of a few megabytes, mounted for a test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from requirements import require_or_skip

PAGE = 4096


@dataclass(frozen=True)
class Disk:
    """A small disk at `folder`."""

    folder: Path

    @property
    def ballast(self) -> Path:
        """What fills it."""
        return self.folder / "ballast"

    def fill(self, but: int = 0) -> None:
        """Leave only so many bytes, in whole pages."""
        with open(self.ballast, "ab", buffering=0) as file:
            try:
                while file.write(bytes(PAGE)) == PAGE:
                    pass
            except OSError:
                pass
            file.truncate(file.tell() // PAGE * PAGE - but // PAGE * PAGE)

    def make_space(self) -> None:
        """Remove what fills it."""
        self.ballast.unlink()

    def read_only(self, yes: bool = True) -> None:
        """Let nobody write, not even root; or let them again."""
        _run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder))


@contextmanager
def mounted(folder: Path, megabytes: int = 4) -> Iterator[Disk]:
    """A small disk, as long as it is needed. Where mounting is not allowed, the test is skipped."""
    folder.mkdir()
    done = _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder))
    reason = f"a small disk cannot be mounted here ({done.stderr.strip()})"
    require_or_skip("mount", done.returncode == 0, reason)
    try:
        yield Disk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))

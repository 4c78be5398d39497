"""Snakemake's lock files go when nobody can own them, and only then."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager

import pytest

from perennial.dag import abandoned


@pytest.fixture
def folder(tmp_path):
    """Snakemake's folder."""
    (tmp_path / "locks").mkdir()
    return tmp_path


@contextmanager
def start(folder):
    """A living start, which locks as Snakemake does. It is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        abandoned.remove_locks(folder, say=lambda line: None)
        number = len(list((folder / "locks").iterdir()))
        (folder / "locks" / f"{number}.output.lock").touch()
        os.write(writer, b".")
        signal.pause()
    os.read(reader, 1)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.fixture
def begin(folder, monkeypatch):
    """A start in this process: what it says. It ends at once."""

    def go():
        said = []
        monkeypatch.setattr(abandoned, "_held", [])
        abandoned.remove_locks(folder, said.append)
        abandoned._held[0].close()
        return said

    return go


def locks(folder):
    return sorted(path.name for path in (folder / "locks").iterdir())


def test_the_lock_of_a_killed_start_is_removed_with_one_line(folder, begin):
    with start(folder):
        assert begin() == [] and locks(folder) == ["0.output.lock"]
    assert begin() == [
        f"{folder}: the last start was killed; its lock is removed, and work goes on where it stood"
    ]
    assert locks(folder) == []
    assert begin() == []


def test_while_any_start_lives_nothing_is_removed(folder, begin):
    with start(folder):
        with start(folder):
            pass
        assert begin() == [] and len(locks(folder)) == 2
    with start(folder) as first, start(folder):
        os.kill(first, signal.SIGKILL)
        assert begin() == [] and locks(folder)


def test_locks_from_before_or_of_another_machine_are_left(folder, begin):
    lock = folder / "locks" / "0.input.lock"
    lock.touch()
    assert begin() == [] and lock.exists()
    lock.unlink()
    begin()  # ours from now on
    lock.touch()
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.setattr("socket.gethostname", lambda: "elsewhere")
        assert begin() == [] and lock.exists()
    assert begin() == [] and lock.exists(), "it may be the other machine's"


def test_once_it_is_clear_again_this_machine_owns_the_folder(folder, begin, monkeypatch):
    (folder / "held").write_text("elsewhere\n")
    begin()
    assert (folder / "held").read_text().split() == [abandoned.socket.gethostname()]

"""A small disk that is really full, or read-only: one clear line, and the work goes on when there is space."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from faults.block import FORK, SEEDS, Block
from faults.small_disk import PAGE, Disk

from perennial import datasets
from perennial.files import store
from perennial.jobs import sequences

FULL, READ_ONLY = "No space left on device", "Read-only file system"
STEPS = 3 * 40 * 3000  # of the block


@pytest.fixture
def block(disk, tmp_path, every_chance):
    """A block on the small disk. Its log lies elsewhere."""
    (disk.folder / "block").mkdir()
    found = Block(disk.folder / "block", length=40)
    found.logged_to = tmp_path / "log"
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed block leaves."""
    undisturbed = Block(tmp_path_factory.mktemp("undisturbed"), length=40)
    undisturbed.train(checkpoints=None)
    return undisturbed.result()


def go_on(child):
    os.kill(child.pid, signal.SIGCONT)
    child.join(60)


def write_everywhere(path):
    """Write a file with no, one, two, ... pages of space, until it fits."""
    for pages in range(100):
        disk = Disk(path.parent)
        disk.fill(but=pages * PAGE)
        try:
            store.write(path, lambda file: file.create_dataset("a", data=np.eye(50, 100), chunks=(1, 100)))
        except store.CannotWrite as error:
            assert error.reason == FULL and [found.name for found in path.parent.iterdir()] == ["ballast"]
            disk.make_space()
        else:
            assert store.check(path) is None and pages > 5
            return
    raise AssertionError("it should fit")


def test_a_file_is_whole_or_refused_with_any_space(disk):
    """In a process of its own: HDF5 used to crash it, at the latest at its end."""
    process = FORK.Process(target=write_everywhere, args=(disk.folder / "a.h5",))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_a_disk_that_fills_up_while_a_block_trains(disk, block, whole):
    child = block.start_and_wait_for(saves=2)
    os.kill(child.pid, signal.SIGSTOP)
    disk.fill()
    go_on(child)
    *lines, last = block.complaints()
    assert child.exitcode == 1 and lines
    assert set(lines) == {f"{block.checkpoints}: no checkpoint ({FULL}); training goes on"}
    assert last == f"{block.output}: cannot be written ({FULL}); the next start goes on from the checkpoints"
    assert not block.output.exists() and not list(disk.folder.rglob("*.tmp"))
    saved = block.saved()
    disk.make_space()
    assert saved > 0 and f"resumed at step {saved:,} of {STEPS:,}" in block.finish()
    assert block.result() == whole


def test_a_block_does_not_begin_on_a_full_disk(disk, block, whole):
    disk.fill()
    child = block.start()
    child.join(60)
    lock = block.checkpoints / "lock"
    assert child.exitcode == 1 and block.done == -1
    assert block.log() == f"{lock}: cannot be written ({FULL}); finished files are unharmed\n"
    disk.make_space()
    assert "resumed" not in block.finish() and block.result() == whole


def test_a_log_on_the_full_disk_costs_no_job(disk, block, whole, tmp_path, capfd):
    block.logged_to, block.output = disk.folder / "log", tmp_path / "runs.h5"
    child = block.start_and_wait_for(saves=1)
    os.kill(child.pid, signal.SIGSTOP)
    disk.fill()
    go_on(child)
    assert child.exitcode == 0 and f"no checkpoint ({FULL}); training goes on" in capfd.readouterr().err
    assert block.result() == {**whole, "inputs": block.result()["inputs"]}  # the result lies elsewhere


def test_a_read_only_folder(disk, block, whole):
    child = block.start_and_wait_for(saves=2)
    child.kill()
    child.join()
    disk.read_only()
    child = block.start()
    child.join(60)
    lock = block.checkpoints / "lock"
    assert child.exitcode == 1
    assert block.log() == f"{lock}: cannot be written ({READ_ONLY}); finished files are unharmed\n"
    disk.read_only(False)
    assert "resumed at step" in block.finish() and block.result() == whole


def draw_sequences(block):
    sequences.make_block(block.settings, SEEDS, block.sequences)
    return block.sequences


def make_digits(block):
    path = block.folder / "digits.h5"
    datasets.make("digits", path)
    return path


def write_page(block):
    path = block.folder / "report.html"
    store.write_bytes(path, bytes(10_000))
    return path


@pytest.mark.parametrize("reason", [FULL, READ_ONLY])
@pytest.mark.parametrize("work", [draw_sequences, make_digits, write_page])
def test_other_files(disk, block, work, reason):
    path = work(block)
    before = path.read_bytes()
    disk.fill() if reason == FULL else disk.read_only()
    child = block.fork(lambda: work(block))
    child.join(60)
    assert child.exitcode == 1
    assert block.log() == f"{path}: cannot be written ({reason}); finished files are unharmed\n"
    assert path.read_bytes() == before
    disk.make_space() if reason == FULL else disk.read_only(False)
    assert work(block).exists()

"""The count of work done survives a kill and takes nothing from other blocks."""

from __future__ import annotations

import os
import signal
import time

from perennial.jobs.tally import EVERY, Tally


def test_a_kill_takes_nothing_that_was_written(tmp_path):
    path, child = tmp_path / "starts", os.fork()
    if child == 0:
        tally = Tally(path, "mark")
        tally.add(70)
        time.sleep(EVERY)
        tally.add(30)  # written over the first
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    again = Tally(path, "mark")
    assert (again.starts, again.steps) == (1, 100)
    again.add(5)
    assert (again.starts, again.steps) == (2, 105)
    assert (Tally(path, "mark").starts, Tally(path, "mark").steps) == (2, 105)


def test_a_count_within_the_interval_waits_for_the_flush(tmp_path):
    tally = Tally(tmp_path / "starts", "mark")
    tally.add(1)
    tally.add(2)
    assert Tally(tmp_path / "starts", "mark").steps == 1
    tally.flush()
    assert Tally(tmp_path / "starts", "mark").steps == 3


def test_other_marks_and_torn_lines_do_not_count(tmp_path):
    path = tmp_path / "starts"
    Tally(path, "other").add(7)
    with open(path, "ab") as file:
        file.write(b"mark   12\nmark 1 x\n\xff\n")
    tally = Tally(path, "mark")
    assert (tally.starts, tally.steps) == (0, 0)
    tally.add(4)
    assert Tally(path, "mark").steps == 4 and Tally(path, "other").steps == 7


def test_without_a_file_only_this_process_counts(tmp_path):
    tally = Tally()
    assert (tally.starts, tally.steps) == (0, 0)
    tally.add(3)
    tally.flush()
    assert (tally.starts, tally.steps) == (1, 3)


def test_a_start_that_does_nothing_leaves_no_file(tmp_path):
    Tally(tmp_path / "starts", "mark").flush()
    assert not list(tmp_path.iterdir())

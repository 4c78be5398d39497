"""A file that another process has open for writing is not damaged: it is waited for, and never set aside."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from block_files import write_block

from perennial import cli, load
from perennial.analyses import summary
from perennial.dag import blocks
from perennial.files import lineage, provenance, store

HOLDER = """
import sys, time, h5py
with h5py.File(sys.argv[1], "r+"):
    print("open", flush=True)
    time.sleep(float(sys.argv[2]))
"""
LINE = "is in use by another process, which has it open for writing; close it there and start again"


@pytest.fixture
def run_file(tmp_path):
    metrics = {"squared_error": ({"example": [0, 10]}, {0: np.array([2.0, 1.0])})}
    return write_block(tmp_path / "laptop/runs/e/b/seeds_0-0.h5", [0], metrics)


@pytest.fixture
def held(run_file, request):
    """The run file while another process has it open, as a notebook would: for a minute, or as long as given."""
    before = run_file.read_bytes()
    command = [sys.executable, "-c", HOLDER, str(run_file), str(getattr(request, "param", 60))]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "open\n" and run_file.read_bytes() != before  # so its seal is off
    yield run_file
    holder.kill()
    holder.wait()
    holder.stdout.close()


@pytest.mark.parametrize("held", [1.0], indirect=True)
def test_a_file_that_is_closed_soon_is_good(held):
    assert store.check(held) is None
    with store.open_checked(held) as file:
        assert file["seed_0000/squared_error"][0] == 2.0


@pytest.mark.parametrize("read", [store.check, store.open_checked, provenance.checksum_of, lineage.read])
def test_one_that_stays_open_is_in_use(held, read):
    begin = time.monotonic()
    with pytest.raises(store.Busy) as caught:
        read(held)
    assert str(caught.value) == f"{held}: {LINE}"
    assert store.PATIENCE <= time.monotonic() - begin < 3 * store.PATIENCE


def test_the_planner_sets_no_file_aside_that_is_in_use(held):
    said = []
    with pytest.raises(store.Busy):
        blocks.set_aside_bad(held.parent, dry_run=False, say=said.append)
    assert not said and [path.name for path in held.parent.iterdir()] == [held.name]


def test_readers_say_so_in_one_line(held, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    with pytest.raises(summary.SummaryError, match=LINE):
        summary.summarise([held], [0], [0], tmp_path / "m.h5", "e", "b")
    with pytest.raises(store.Busy, match=LINE):
        load(tmp_path / "laptop")
    assert lineage.changed(held, "0" * 64) == "is in use by another process"
    assert cli.main(["provenance", str(held)]) == 1
    assert capsys.readouterr().err == f"{held}: {LINE}\n"


def test_readers_do_not_keep_each_other_waiting(run_file):
    """This held before, when there was no lock."""
    with store.open_checked(run_file):
        command = [sys.executable, "-c", "import sys, h5py; h5py.File(sys.argv[1]).close()", str(run_file)]
        assert subprocess.run(command, check=False).returncode == 0
        begin = time.monotonic()
        assert store.check(run_file) is None and time.monotonic() - begin < store.PATIENCE / 2


def test_a_file_that_was_left_open_by_a_kill_is_damaged(run_file):
    """Nobody has it any more, so waiting would not help. This held before."""
    command = [sys.executable, "-c", HOLDER, str(run_file), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "open\n"
        holder.kill()
    assert store.check(run_file) == "fails its checksum"

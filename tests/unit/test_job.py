"""What scripts print reaches the terminal and the job's log, errors included."""

from __future__ import annotations

import sys

import pytest

from perennial.errors import UserError
from perennial.jobs.job import logged


def test_output_goes_to_the_terminal_and_to_the_log(tmp_path, capsys):
    log = tmp_path / "logs" / "train.log"
    with logged(log):
        print("1 of 2")
        print("2 of 2", file=sys.stderr)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("1 of 2\n", "2 of 2\n")
    assert log.read_text() == "1 of 2\n2 of 2\n"


def test_a_clear_error_needs_no_traceback(tmp_path, capsys):
    log = tmp_path / "train.log"
    with pytest.raises(SystemExit) as ended, logged(log):
        raise UserError("device: cuda is not here")
    assert ended.value.code == 1
    assert log.read_text() == capsys.readouterr().err == "device: cuda is not here\n"


def test_an_error_is_in_both_and_ends_the_job(tmp_path, capsys):
    log = tmp_path / "train.log"
    with pytest.raises(SystemExit) as ended, logged(log):
        raise ValueError("no such engine")
    assert ended.value.code == 1
    assert "ValueError: no such engine" in log.read_text()
    assert "ValueError: no such engine" in capsys.readouterr().err

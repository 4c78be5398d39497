"""What a long job says about the time it needs."""

from __future__ import annotations

from perennial.jobs.progress import Progress


def test_the_time_left_is_by_the_speed_of_this_process(capsys):
    progress = Progress("block", 100_000_000, every=0)
    progress.skip(50_000_000)  # done before a kill
    progress.start -= 90
    progress.add(25_000_000)
    assert capsys.readouterr().err == "block:  75 % (75.0 of 100.0 M steps), 1 min 30 s left\n"

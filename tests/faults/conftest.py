"""What tests of faults share: small pieces for the engines, so that there are many saves, and the table of kills."""

from __future__ import annotations

import pytest
from faults.kills import Tally
from faults.small_disk import mounted

from perennial.jobs import checkpoint
from perennial.learning.engines import stacked
from perennial.learning.engines.fused import trainer

TALLIES = pytest.StashKey[list[Tally]]()


@pytest.fixture
def every_chance(monkeypatch):
    """Save at every chance, and cut within tasks."""
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))
    monkeypatch.setattr(stacked, "PIECE", 7)
    monkeypatch.setattr(
        trainer, "WORK", 100_000
    )  # pieces of 50 examples of the digits, 950 of the regression


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own, which can be filled or made read-only."""
    with mounted(tmp_path / "disk") as found:
        yield found


@pytest.fixture
def tallies(request) -> list[Tally]:
    """Rows of the table at the end."""
    return request.config.stash.setdefault(TALLIES, [])


def pytest_terminal_summary(terminalreporter, config):
    """Print the table of kills."""
    if found := config.stash.get(TALLIES, []):
        terminalreporter.section("kills")
        terminalreporter.write_line(Tally.HEAD)
        terminalreporter.write_line("|" + " --- |" * (Tally.HEAD.count("|") - 1))
        for tally in found:
            terminalreporter.write_line(tally.row())

"""Kills at random moments, and what they cost: the campaign and its tally."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.block import Block

from perennial.files import store

INTERVALS = (0, 0.1)  # seconds between two saves, in turns: at every chance, as many saves as there can be


@dataclass
class Tally:
    """What happened. `kills` counts those of a process that was training: not while it started, nor after its end."""

    name: str
    in_training: int = 0
    in_write: int = 0
    blocks: int = 0
    corrupt: int = 0
    changed: int = 0
    lost: list[float] = field(default_factory=list)  # seconds of training, by kill

    @property
    def kills(self) -> int:
        """Those that count."""
        return self.in_training + self.in_write

    def enter(self, folder: Path) -> None:
        """Enter a kill, and look at every file that it left."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        if any(path.suffix == ".tmp" for path in files):
            self.in_write += 1
        else:
            self.in_training += 1
        self.corrupt += sum(store.check(path) is not None for path in files if path.suffix == ".h5")

    HEAD = (
        "| | kills | in training | during a write | blocks | corrupt files | changed results "
        "| work lost, median | most |"
    )

    def row(self) -> str:
        """A row under `HEAD`."""
        lost = (f"{1000 * f(self.lost):.0f} ms" if self.lost else "" for f in (statistics.median, max))
        counts = (self.kills, self.in_training, self.in_write, self.blocks, self.corrupt, self.changed)
        return " | ".join(["| " + self.name, *map(str, counts), *lost]) + " |"


def campaign(name: str, make: Callable[[], Block], kills: int, moments: random.Random) -> Tally:
    """Kill blocks wherever they stand, start them again until they are done, and compare with an undisturbed one.

    Args:
        name: of the row.
        make: a block in a new folder.
        kills: how many are wanted.
        moments: draws them.
    """
    block, tally = make(), Tally(name)
    block.train(checkpoints=None)
    whole = block.result()
    block.output.unlink()
    took = [_seconds(block, seconds) for seconds in INTERVALS]
    tally.changed += block.result() != whole
    steps = int(whole["run_steps"])
    while tally.kills < kills:
        block.output.unlink()
        turn = tally.blocks % len(INTERVALS)
        _one_block(block, INTERVALS[turn], took[turn], steps / took[turn], kills, moments, tally)
        tally.blocks += 1
        tally.changed += block.result() != whole
        assert not block.checkpoints.exists() and not list(block.folder.glob(".*.tmp")), "nothing is left"
    return tally


def _seconds(block: Block, seconds: float) -> float:
    """How long the block takes when it is saved so often."""
    block.output.unlink(missing_ok=True)
    begin = time.monotonic()
    block.finish(checkpoint_seconds=seconds)
    return time.monotonic() - begin


def _one_block(
    block: Block, seconds: float, took: float, rate: float, kills: int, moments: random.Random, tally: Tally
) -> None:
    """Kill and start until a start comes to its end; the last may, when there are kills enough."""
    at_kill, saved = -1, 0
    while True:
        child = block.start(checkpoint_seconds=seconds)
        block.wait_for_training(child)
        if block.done >= 0:
            assert block.went_on == saved, "the newest checkpoints are used"
            if at_kill >= 0:
                tally.lost.append((at_kill - saved) / rate)
        child.join(moments.uniform(0, 0.5) * took if tally.kills < kills else None)
        trained = block.done >= 0
        child.kill()
        child.join()
        if child.exitcode != -signal.SIGKILL:
            assert child.exitcode == 0, block.log()
            return
        at_kill, saved = block.done if trained else -1, block.saved()
        if trained:
            tally.enter(block.folder)

"""A block that is killed wherever it stands and started again, until it is done, leaves what an undisturbed one does.

The kills are real, at random moments, and often within a save.
"""

from __future__ import annotations

import random
import time

import pytest
from faults.block import SHAPES, Block

from perennial import checkpoint
from perennial.engines import stacked
from perennial.engines.fused import trainer


@pytest.mark.parametrize(("problem", "engine"), SHAPES)
def test_killed_at_random_until_done(problem, engine, tmp_path, monkeypatch):
    block = Block(tmp_path, problem, engine, **({"tasks": 15} if engine == "fused" else {}))
    block.train(checkpoints=None)
    whole = block.result()
    block.output.unlink()

    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))  # save at every chance
    monkeypatch.setattr(stacked.StackedTrainer, "piece", 7)  # and cut within tasks
    monkeypatch.setattr(
        trainer, "WORK", 100_000
    )  # pieces of 50 examples of the digits, 950 of the regression

    start = time.monotonic()
    block.start().join()
    took = time.monotonic() - start
    assert block.result() == whole, "with checkpoints, but not disturbed"
    block.output.unlink()

    child, seed, lives = block.start_and_wait_for(saves=1), random.randrange(2**32), 1
    moments = random.Random(seed)
    while not block.output.exists():
        child.kill()
        child.join()
        child, lives = block.start(), lives + 1
        child.join(moments.uniform(0, 0.6) * took)
    child.join()
    assert block.result() == whole, f"{lives} lives, moments {seed}"
    assert "block: resumed at step" in block.log()
    assert not block.checkpoints.exists()

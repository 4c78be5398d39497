"""A block that is killed wherever it stands and started again, until it is done, leaves what an undisturbed one does.

The kills are real, at random moments, and often within a save. `make test-faults` makes hundreds for each problem;
its table stands in docs/faults.md.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from itertools import count

import pytest
from faults.block import SHAPES, Block, contents
from faults.kills import Tally, campaign
from fidelity.support import REPOSITORY

from perennial.files import store

QUICK, LONG, REAL = 3, 100, 10  # kills of each problem under each engine; of the command


def killed(problem, engine, kills, folder):
    """A campaign's tally, which holds no corrupt file and no changed result."""
    numbers, seed = count(), random.randrange(2**32)

    def make():
        own = folder / str(next(numbers))
        own.mkdir()
        return Block(own, problem, engine)

    tally = campaign(f"{problem}, {engine}", make, kills, random.Random(seed))
    assert (tally.corrupt, tally.changed) == (0, 0), f"moments {seed}"
    assert tally.kills >= kills
    return tally


@pytest.mark.usefixtures("every_chance")
@pytest.mark.parametrize(("problem", "engine"), SHAPES)
def test_killed_at_random_until_done(problem, engine, tmp_path):
    killed(problem, engine, QUICK, tmp_path)


@pytest.mark.faults
@pytest.mark.usefixtures("every_chance")
@pytest.mark.parametrize(("problem", "engine"), SHAPES)
def test_killed_at_hundreds_of_moments(problem, engine, tmp_path, tallies):
    tallies.append(killed(problem, engine, LONG, tmp_path))


@pytest.mark.faults
def test_the_command_killed_and_run_again(tmp_path, tallies):
    """`perennial run` in processes that are no forks, at the pace of saving that users have."""
    text = (REPOSITORY / "config.yaml").read_text().replace("checkpoint_seconds: 60", "checkpoint_seconds: 0")
    (tmp_path / "config.yaml").write_text(text)
    (tmp_path / "studies").symlink_to(REPOSITORY / "studies")
    command = [sys.executable, "-m", "perennial.cli", "run", "--length", "2000"]
    command += ["slowly_changing_regression", "relu_cbp_1e-4"]
    folder = tmp_path / "results/laptop/single/slowly_changing_regression/relu_cbp_1e-4"
    output, begin = folder / "seeds_0-0.h5", time.monotonic()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    whole, took = contents(output), time.monotonic() - begin
    tally, moments = Tally("`perennial run`"), random.Random()
    while tally.kills < REAL:
        output.unlink()
        while True:
            with subprocess.Popen(
                command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as job:
                while not list(folder.glob("checkpoints/*/*.h5")) and job.poll() is None:
                    time.sleep(0.01)
                try:
                    job.wait(moments.uniform(0.2, 0.8) * took if tally.kills < REAL else None)
                except subprocess.TimeoutExpired:
                    job.kill()
            if job.returncode != -signal.SIGKILL:
                break
            tally.enter(tmp_path)
        assert job.returncode == 0
        tally.blocks += 1
        tally.changed += contents(output) != whole
    tallies.append(tally)
    assert (tally.corrupt, tally.changed) == (0, 0)
    assert store.check(output) is None and not (folder / "checkpoints/seeds_0-0").exists()

"""A Slippery Ant that is killed goes on where it last saved: the same frictions, the same numbers to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py

from perennial.files import series

ROOT = Path(__file__).parents[2]
CONFIG = """
scale: smoke
studies: [{studies}]
results: {results}
checkpoint_seconds: 0
experiments:
  slippery_ant:
    environment: {{friction_steps: 100}}
    procedure: {{rollout: 512, batch_size: 128, epochs: 1, window: 100}}
    measures:
      episodic_return: {{every: 300}}
      seldom_active_units: {{every: 200}}
      stable_rank_of_last: {{every: 200}}
      weight_magnitude_of_second: {{every: 200}}
      log_std: {{every: 200}}
      weight_change: {{every: 512}}
    scales: {{smoke: {{seeds: 1, length: 1600}}}}
"""


def perennial(config: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "perennial.cli", "run", "slippery_ant", "std", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def found(path: Path) -> list[bytes]:
    with h5py.File(path, "r") as file:
        state = file[series.group_of(0)].attrs["state_sha256"].encode()
        return [state, *(one.values.tobytes() for one in series.read(file, 0))]


def test_a_killed_run_goes_on_with_the_same_frictions_to_the_last_bit(tmp_path):
    config = tmp_path / "config.yaml"
    text = CONFIG.format(studies=ROOT / "studies" / "nature2024", results=tmp_path / "results")
    config.write_text(text, encoding="utf-8")
    killed = perennial(config, PERENNIAL_FAULT="kill@store.renamed:1:seed_0000.*")
    assert killed.returncode == -9, killed.stderr
    resumed = perennial(config)
    assert resumed.returncode == 0 and "resumed at step" in resumed.stderr, resumed.stderr
    path = Path(resumed.stdout.splitlines()[-1])
    wanted = found(path)
    path.unlink()
    undisturbed = perennial(config)
    assert "resumed" not in undisturbed.stderr and found(path) == wanted

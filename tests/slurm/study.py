"""A small study in a copy of the repository, run through the Slurm profile while its jobs are watched and disturbed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import yaml
from dag.workflow_copy import copy_repository

SEEDS = [0, 1, 2, 3]  # each a job of its own
CONFIG = {
    "scale": "small",
    "block_size": 1,
    "checkpoint_seconds": 0,  # as often as may be
    "engine": "stacked",  # has nothing to compile
    "experiments": {
        "digits": {
            "title": "Digits",
            "description": "A test, not a result.",
            "scales": {"small": {"seeds": SEEDS, "length": 6}},
            "problem": "permuted_digits",
            "network": {"name": "mlp", "hidden": [10]},
            "procedure": "task_stream",
            "measures": {"online_accuracy": {"every": 2}},
            "variants": {"cbp": {"algorithm": {"name": "cbp", "step_size": 0.01, "replacement_rate": 1e-4}}},
        }
    },
}
#: The profile is used as it stands, but that it looks sooner.
FIRST_LOOK = 2  # seconds; with every look that finds nothing new, ten more pass before the next


class Study:
    """The study in its folder."""

    def __init__(self, folder: Path, config: dict[str, Any], train: dict[str, Any]) -> None:
        """Copy the repository. `config` and `train` are changes: of the study, and of what training jobs ask for."""
        self.folder, self.results = folder, folder / "results" / "small"
        copy_repository(folder)
        (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | config), encoding="utf-8")
        path = folder / "profiles" / "slurm" / "profile.yaml"
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
        profile["set-resources"]["train"] |= train
        profile["slurm-init-seconds-before-status-checks"] = FIRST_LOOK
        path.write_text(yaml.safe_dump(profile), encoding="utf-8")

    def start(self, name: str, *arguments: str) -> subprocess.Popen:
        """Start Snakemake. What it says goes to a file of this name."""
        environment = {**os.environ, "PYTHONPATH": str(self.folder / "src")}
        with open(self.folder / name, "w", encoding="utf-8") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments],
                cwd=self.folder,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def log(self, seed: int) -> str:
        """What the last attempt to train a seed said."""
        return (self.results / f"logs/train/digits/cbp/seeds_{seed}-{seed}.log").read_text(encoding="utf-8")

    def log_of(self, job: dict[str, str]) -> str:
        """What a failed Slurm job said."""
        return Path(job["StdOut"]).read_text(encoding="utf-8")

    def jobs(self, rule: str, seed: int | None = None) -> list[dict[str, str]]:
        """Slurm's record of the jobs of a rule, the first attempt first."""
        found = [job for job in records() if job["WorkDir"] == str(self.folder)]
        found = [job for job in found if job["Comment"].startswith(f"rule_{rule}_wildcards_")]
        if seed is not None:
            found = [job for job in found if job["Comment"].endswith(f"_{seed}-{seed}")]
        return sorted(found, key=lambda job: int(job["JobId"]))

    def halt_in_training(self) -> dict[int, int]:
        """Wait until every seed is in training and has a checkpoint; halt each there. Seed -> process."""
        pids: dict[int, int] = {}

        def all_halted() -> bool:
            for folder in (self.results / "checkpoints/digits/cbp").glob("seeds_*"):
                seed = int(folder.name.split("-")[1])
                if seed not in pids and any(folder.glob("*.h5")):
                    pids[seed] = int((folder / "lock").read_text(encoding="utf-8").split()[1])
                    os.kill(pids[seed], signal.SIGSTOP)
            return len(pids) == len(SEEDS)

        until(all_halted, "all seeds are in training")
        return pids


def records() -> list[dict[str, str]]:
    """All jobs that Slurm remembers."""
    lines = subprocess.check_output(["scontrol", "--oneliner", "show", "jobs"], text=True).splitlines()
    return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines if "JobId=" in line]


def record(job: str) -> dict[str, str]:
    """One of them."""
    (found,) = [one for one in records() if one["JobId"] == job]
    return found


def until(ask: Callable[[], Any], what: str, seconds: float = 180) -> Any:
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def gpu_of(pid: int) -> str:
    """The GPUs that a process may see."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in variables if "=" in line).get("CUDA_VISIBLE_DEVICES", "")


def numbers(path: Path) -> dict[int, Any]:
    """All that a run file says of each seed, to the last bit."""
    with h5py.File(path) as file:
        return {
            int(name[5:]): (
                group.attrs["state_sha256"],
                {key: values[...].tobytes() for key, values in group.items()},
            )
            for name, group in file.items()
            if name.startswith("seed_")
        }

"""`perennial plan` counts the jobs that Snakemake would run, one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

LIST = """
import json, sys
from pathlib import Path
from perennial import config
from perennial.plan.jobs import Inventory
study = config.load(Path("config.yaml"), scale=sys.argv[1])
plain = [name for name in study.experiments() if study.experiment(name).all_by_default]
called = {"dataset": "data", "claim": "claims", "report": ""}
jobs = [job for job in Inventory(study, plain).jobs() if job.reason]
print(json.dumps([f"{called.get(job.stage, job.stage)} {job.name}".strip() for job in jobs]))
"""
SCENARIOS = (
    "nothing_changed", "harmless", "adam_code", "problem_code", "replacement_rate", "more_seeds",
    "more_seeds_without_sequences", "fewer_seeds", "another_variant", "own_method", "copied_results",
    "truncated_dry", "paper",
)  # fmt: skip


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_jobs_as_snakemake(answer, name):
    """Half-done studies too. A copy has code of its own, so it is asked in a process of its own."""
    found = answer(name)
    environment = {**os.environ, "PYTHONPATH": str(found.folder / "src")}
    command = [sys.executable, "-c", LIST, "paper" if name == "paper" else "smoke"]
    done = subprocess.run(command, cwd=found.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout)
    assert len(set(jobs)) == len(jobs)
    assert set(jobs) == found.jobs - {"all"}

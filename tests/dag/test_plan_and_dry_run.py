"""`perennial plan` counts the jobs that Snakemake would run, one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from workflow_copy import copy_repository, snakemake

LIST = """
import json, sys
from pathlib import Path
from perennial import config
from perennial.estimate.jobs import ALL, Jobs
listed = Jobs(config.load(Path("config.yaml"), scale=sys.argv[1]), [ALL])
print(json.dumps([[job.rule, dict(job.wildcards)] for job in listed.of([ALL])]))
"""
#: how the rules call their jobs
CALLED = {
    "dataset": "data {dataset}",
    "sequences": "sequences {sequence}, seeds {block}",
    "train": "train {experiment}/{variant}, seeds {block}",
    "metrics": "metrics {experiment}/{variant}",
    "figure": "figure {figure}",
    "claim": "claims {experiment}",
    "report": "report",
}
SCENARIOS = (
    "nothing_changed",
    "adam_code",
    "more_seeds_without_sequences",
    "own_method",
    "truncated_dry",
    "paper",
)


FINISH = """
import json
from pathlib import Path
from perennial import config
from perennial.dag import stage_code
from perennial.files import store
study = config.load(Path("config.yaml"))
for experiment, variant, code in (("permuted_digits", "cbp", ""), ("permuted_digits", "fresh", "other")):
    settings = study.settings(experiment, variant)
    about = {"settings": json.dumps(settings), "code": code or stage_code.train(settings)}
    path = study.folder / "runs" / experiment / variant / "seeds_0-1.h5"
    store.write(path, lambda file: file.attrs.update(about))
"""


def python(folder, code, *arguments):
    """Run some code with a copy's own package; what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def planned(folder, scale="smoke"):
    """The jobs of a plan, as their messages name them."""
    jobs = [CALLED[rule].format(**wildcards) for rule, wildcards in json.loads(python(folder, LIST, scale))]
    assert len(set(jobs)) == len(jobs)
    return set(jobs)


@pytest.mark.parametrize("half_done", [False, True])
def test_a_study_in_which_nothing_was_trained(tmp_path, half_done):
    """Nothing is there; or two blocks that Snakemake has no record of, one of them by other code."""
    folder = tmp_path / "copy"
    copy_repository(folder)
    if half_done:
        python(folder, FINISH)
    jobs = planned(folder)
    assert jobs == snakemake(folder, "-n").jobs - {"all"}
    # Data that have to be made for others are no reason to train what is done.
    names = ("backprop", "fresh") if half_done else ("backprop", "cbp", "fresh")
    trained = {job for job in jobs if job.startswith("train permuted_digits/")}
    assert trained == {f"train permuted_digits/{name}, seeds 0-1" for name in names}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_same_jobs_as_snakemake(answer, name):
    """Half-done studies too. A copy has code of its own, so it is asked in a process of its own."""
    found = answer(name)
    assert planned(found.folder, "paper" if name == "paper" else "smoke") == found.jobs - {"all"}

"""A study whose results lie on a full disk ends with a clear line, and goes on when there is space."""

from __future__ import annotations

from dag.workflow_copy import copy_repository, snakemake

from perennial import config
from perennial.dag import planning, stage_code
from perennial.files import store
from perennial.jobs import sequences

EXPERIMENT, VARIANT = "slowly_changing_regression", "linear_0.003"


def test_a_study_on_a_full_disk(disk, tmp_path):
    folder = tmp_path / "study"
    copy_repository(folder)
    given = config.load(folder / "config.yaml", results=str(disk.folder))
    planner = planning.Planner(given)
    (block,) = planner.runs(EXPERIMENT, VARIANT)
    (met,) = planner.sequences_of(EXPERIMENT, VARIANT, block)
    settings = given.settings(EXPERIMENT, VARIANT)
    sequences.make_block(settings, given.all_seeds(EXPERIMENT), met, stage_code.sequences(settings))
    run = planner.run_folder(EXPERIMENT, VARIANT) / "seeds_0-1.h5"
    arguments = ("--cores", "1", "--config", f"results={disk.folder}", "--", str(run))

    disk.fill()
    answer = snakemake(folder, *arguments)
    lines = [line for line in answer.out.splitlines() if "cannot be written" in line]
    lock = disk.folder / f"smoke/checkpoints/{EXPERIMENT}/{VARIANT}/seeds_0-1/lock"
    said = f"{lock}: cannot be written (No space left on device); finished files are unharmed"
    assert answer.code == 1 and lines == [said], answer.out
    assert "Traceback" not in answer.out

    disk.make_space()
    answer = snakemake(folder, *arguments)
    assert answer.code == 0 and answer.jobs == {f"train {EXPERIMENT}/{VARIANT}, seeds 0-1"}, answer.out
    assert store.check(run) is None and store.check(met) is None


def test_a_study_on_a_read_only_disk(disk, tmp_path):
    folder = tmp_path / "study"
    copy_repository(folder)
    disk.read_only()
    answer = snakemake(folder, "--cores", "1", "--config", f"results={disk.folder}")
    last = answer.out.splitlines()[-1]
    assert answer.code == 1 and "Traceback" not in answer.out
    said = f"results: '{disk.folder}' is not allowed (no permission to write to {disk.folder})"
    assert last == f"config.yaml + --config: {said}"

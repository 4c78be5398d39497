"""The command line: one line for a mistake, a table of verdicts, a run in this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perennial import cli
from perennial.config import files
from perennial.files import store
from perennial.learning import engines

ROOT = Path(__file__).parents[2]
ROWS = """id,experiment,n,estimate,low,high,published,verdict,parts,settled_by
S1,slowly_changing_regression,30,0.826,0.811,0.841,0.826,reproduced,"2 of 2 parts reproduced",
D1,permuted_digits,10,-18.2,-20.1,-16.3,,inconclusive,,"about 40 seeds, 1.5 core-hours"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the study's config, in which commands run."""
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text((ROOT / "config.yaml").read_text())
    shutil.copytree(ROOT / "studies", "studies")
    return tmp_path


def change(old, new, file="config.yaml"):
    path = Path(file)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_check_says_in_one_line_what_the_config_asks_for(here, capsys):
    assert cli.main(["check"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("config.yaml: good; scale laptop: slowly_changing_regression (")
    assert "30 to 300 seeds, 300 tasks), permuted_digits (5 variants, 10 seeds, 1000 tasks)" in line


@pytest.mark.parametrize("command", [["check"], ["verdicts"], ["run", "permuted_digits", "cbp"]])
def test_a_bad_config_ends_every_command_in_one_line(here, capsys, command):
    file = "studies/nature2024/permuted_digits/experiment.yaml"
    change("replacement_rate: 1.0e-4, maturity", "replacement_rate: -1, maturity", file)
    assert cli.main(command) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert (
        line.startswith(f"{file}: variants.cbp.algorithm.replacement_rate: -1 is not allowed")
        and not captured.out
    )


def test_no_traceback_in_a_process_of_its_own(here):
    change("engine: auto", "engine: fast")
    done = subprocess.run([sys.executable, "-m", "perennial.cli", "check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "engine: 'fast' is not allowed" in done.stderr


def test_an_unknown_variant_is_one_line(here, capsys):
    assert cli.main(["run", "permuted_digits", "cpb"]) == 1
    assert "did you mean 'cbp'?" in capsys.readouterr().err


def test_verdicts_prints_the_table_and_the_report(here, capsys):
    folder = here / "results" / "laptop"
    folder.mkdir(parents=True)
    (folder / "claims.csv").write_text(ROWS)
    assert cli.main(["verdicts"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split() == list(cli.COLUMNS)
    assert out[1].startswith("S1  slowly_changing_regression  30  0.826")
    assert out[1].endswith("2 of 2 parts reproduced")
    assert out[-3] == "1 of 2 claims is decided: 1 reproduced; 1 open"
    assert out[-2] == "To settle the open ones: D1 about 40 seeds, 1.5 core-hours"
    assert out[-1] == "report: results/laptop/report.html"


def test_verdicts_of_one_experiment(here, capsys):
    folder = here / "results" / "laptop"
    folder.mkdir(parents=True)
    (folder / "claims.csv").write_text(ROWS)
    assert cli.main(["verdicts", "permuted_digits"]) == 0
    out = capsys.readouterr().out
    assert "D1  permuted_digits" in out and "S1" not in out and "\n0 of 1 claims are decided; 1 open\n" in out
    assert cli.main(["verdicts", "permuted_digit"]) == 1
    assert "did you mean 'permuted_digits'?" in capsys.readouterr().err


def test_verdicts_before_anything_is_finished(here, capsys):
    assert cli.main(["verdicts", "--scale", "smoke"]) == 1
    assert "results/smoke/claims.csv: not there yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine", "fused", "--device", "cuda"], "engine fused runs on the CPU only"),
        (["--device", "cuda"], "PyTorch finds no CUDA device"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(here, capsys, options, words, monkeypatch):
    monkeypatch.setattr(engines, "cuda_here", lambda: False)
    assert cli.main(["run", "slowly_changing_regression", "linear_0.003", "--length", "2", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("device: cuda: ") and words in error and error.count("\n") == 1


RUNS = [("slowly_changing_regression", "linear_0.003", "auto"), ("permuted_digits", "cbp", "stacked")]


@pytest.mark.parametrize(("experiment", "variant", "engine"), RUNS)
def test_a_run_in_this_process(here, capsys, experiment, variant, engine):
    options = ["--seed", "3", "--length", "2", "--engine", engine]
    assert cli.main(["run", experiment, variant, *options]) == 0
    path = Path("results/laptop/single") / experiment / variant / "seeds_3-3.h5"
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == str(path)
    assert "weight_magnitude: " in out
    assert store.check(path) is None
    assert not Path("results/laptop/runs").exists()  # a trial is no part of the study's results


def test_one_thread_is_set_before_the_libraries_are_imported():
    """Importing the package must import none of them, or the variables would come too late."""
    code = (
        "import sys, perennial.one_thread, os;"
        "print([m for m in ('numpy', 'torch', 'numba') if m in sys.modules],"
        "os.environ['OMP_NUM_THREADS'], os.environ['NUMBA_NUM_THREADS'])"
    )
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.split() == ["[]", "1", "1"]


def test_pins_of_the_conda_environment_are_the_tested_ones():
    pins = {line for line in (ROOT / "envs" / "requirements.txt").read_text().splitlines() if "==" in line}
    conda = files.read_yaml(ROOT / "envs" / "study.yaml")["dependencies"][-1]["pip"]
    assert set(conda) <= pins

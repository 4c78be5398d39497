"""A study, an algorithm and a figure of a user's own, outside the checkout: nothing else is edited."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from scenarios import edit, edit_yaml
from workflow_copy import Answer, snakemake

DIGITS, COPY = "permuted_digits", "mine_digits"
HELPER = 'TITLE = "Ours and theirs"\n'
FIGURE = '''"""The copy's own method beside the original's."""

from pathlib import Path

from perennial.figures import _methods, _read, _style

from . import _words

TITLE, CAPTION = _words.TITLE, "A test."
PAIRS = [("permuted_digits", "cbp"), (Path(__file__).parents[1].name, "mine")]


def needs(study):
    return PAIRS


def draw(metrics):
    figure, axes = _style.panels(1, 1)
    for (colour, _), path in zip(_methods.own_looks({p[1]: f for p, f in metrics.items()}).values(), metrics.values()):
        _style.curve(axes[0, 0], _read.read(path, "online_accuracy"), colour)
    return figure
'''
CLAIM = """
  - id: MINE
    statement: Ours learns the first tasks about as well as continual backpropagation does on the original.
    source: {figure: none, tag: a test}
    kind: quantitative
    parts:
      - label: ours minus theirs
        statistic: {difference: [mine @ first, permuted_digits/cbp @ first]}
        band: {centre: 0, tolerance: 50, why: a test}
"""


@dataclass
class Own:
    """A copy of the repository with a finished smoke study, and a folder of the user's beside it."""

    repository: Path
    answers: dict[str, Answer]

    @property
    def experiment(self) -> Path:
        return self.repository.parent / "my_study" / COPY

    @property
    def results(self) -> Path:
        return self.repository / "results" / "smoke"

    def run(self, *arguments: str) -> Answer:
        answer = snakemake(self.repository, *arguments, "--configfile", "../mine.yaml")
        assert answer.code == 0, answer.out[-5000:]
        return answer

    def planned(self) -> set[str]:
        return self.run("-n").jobs


@pytest.fixture(scope="module")
def own(finished, tmp_path_factory) -> Own:
    """The folder of the digits copied under another name with one changed number, then files of the user's own."""
    repository = tmp_path_factory.mktemp("own") / "repository"
    shutil.copytree(finished.folder, repository, symlinks=True)
    made = Own(repository, {})
    shutil.copytree(repository / "studies/nature2024" / DIGITS, made.experiment)
    edit(made.experiment / "experiment.yaml", "length: 20", "length: 12")
    made.repository.with_name("mine.yaml").write_text("studies: [nature2024, ./my_study]\n")
    made.answers["copy"] = made.run()

    algorithms = made.experiment.parent / "algorithms"
    algorithms.mkdir()
    shutil.copy(repository / "src/perennial/learning/algorithms/backprop.py", algorithms / "my_method.py")
    (made.experiment / "figures" / "ours_and_theirs.py").write_text(FIGURE)
    (made.experiment / "figures" / "_words.py").write_text(HELPER)
    claims = made.experiment / "claims.yaml"
    claims.write_text(claims.read_text() + CLAIM)

    def add(entry: dict) -> None:
        entry["variants"]["mine"] = {"algorithm": {"name": "my_method", "step_size": 0.01}}
        entry["scales"]["smoke"]["variants"].append("mine")

    edit_yaml(made.experiment / "experiment.yaml", add)
    made.answers["own"] = made.run()
    return made


def verdicts(own: Own) -> dict[tuple[str, str], dict[str, str]]:
    with open(own.results / "claims.csv", newline="", encoding="utf-8") as file:
        return {(row["experiment"], row["id"]): row for row in csv.DictReader(file)}


def test_a_copied_experiment_is_trained_drawn_judged_and_in_the_report(own):
    jobs = {job for job in own.answers["copy"].jobs if not job.startswith("sequences ")}
    variants = ("backprop", "cbp", "fresh")
    assert jobs == {
        *(f"{stage} {COPY}/{name}{block}" for name in variants
          for stage, block in (("train", ", seeds 0-1"), ("metrics", ""))),
        f"figure {COPY}_{DIGITS}", f"claims {COPY}", "report", "all",
    }  # fmt: skip
    found = verdicts(own)
    assert {id for experiment, id in found if experiment == COPY} > {id for e, id in found if e == DIGITS}
    page = (own.results / "report.html").read_text(encoding="utf-8")
    assert f'id="figure-{COPY}_{DIGITS}"' in page and f"{COPY}/cbp" in page
    ids = [text.split('"')[0] for text in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_an_algorithm_a_figure_and_a_claim_make_just_their_own_jobs(own):
    assert own.answers["own"].jobs == {
        f"train {COPY}/mine, seeds 0-1", f"metrics {COPY}/mine", f"claims {COPY}", "figure ours_and_theirs",
        f"figure {COPY}_{DIGITS}", "report", "all",
    }  # fmt: skip
    found = verdicts(own)
    assert found[COPY, "MINE"]["verdict"] != "not run" and float(found[COPY, "MINE"]["estimate"])
    assert (COPY, "mine vs cbp") in found and (COPY, "cbp vs backprop") not in found
    page = (own.results / "report.html").read_text(encoding="utf-8")
    assert "Ours and theirs" in page and "Mine" in (own.results / f"figures/{COPY}_{DIGITS}.svg").read_text()


def test_a_second_run_has_nothing_to_do_nor_has_another_place(own, tmp_path):
    assert own.planned() == set()
    moved = tmp_path / "moved"
    shutil.copytree(own.repository.parent, moved, symlinks=True)
    assert Own(moved / "repository", {}).planned() == set()


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        ("algorithms/my_method.py", {f"train {COPY}/mine, seeds 0-1", f"metrics {COPY}/mine", f"claims {COPY}",
                                     "figure ours_and_theirs", f"figure {COPY}_{DIGITS}"}),
        (f"{COPY}/figures/_words.py", {"figure ours_and_theirs"}),
        (f"{COPY}/figures/{DIGITS}.py", {f"figure {COPY}_{DIGITS}"}),
    ],
)  # fmt: skip
def test_an_edit_concerns_what_depends_on_it(own, tmp_path, file, jobs):
    shutil.copytree(own.repository.parent, tmp_path / "edited", symlinks=True)
    path = tmp_path / "edited" / "my_study" / file
    path.write_text(path.read_text() + "\nSTALE = 1\n")
    assert Own(tmp_path / "edited" / "repository", {}).planned() == jobs | {"report", "all"}


DECLARE = """
import os
from perennial import config
from perennial.config import unchanged
unchanged.declare(config.load("config.yaml"))
print(os.environ[unchanged.VARIABLE])
"""


def test_a_cluster_job_ends_where_the_settings_changed_after_it_was_planned(own, tmp_path):
    """The main process leaves digests in the environment; a job process compares what it reads with them."""
    folder = tmp_path / "repository"
    shutil.copytree(own.repository, folder, symlinks=True)
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    run = [sys.executable, "-c", DECLARE]
    said = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
    environment["PERENNIAL_STUDY"] = said.strip()
    block = folder / f"results/smoke/runs/{DIGITS}/cbp/seeds_0-1.h5"
    block.unlink()
    target = f"train:experiment={DIGITS},variant=cbp,block=0-1"
    job = [
        sys.executable,
        "-m",
        "snakemake",
        "--mode",
        "remote",
        "--cores",
        "1",
        "--target-jobs",
        target,
        "--nolock",
    ]

    experiment = folder / "studies/nature2024" / DIGITS / "experiment.yaml"
    text = experiment.read_text()
    edit_yaml(experiment, lambda entry: entry["variants"]["cbp"]["algorithm"].update(replacement_rate=2e-4))
    done = subprocess.run(job, cwd=folder, env=environment, capture_output=True, text=True)
    line = f"the settings of {DIGITS} changed after this run was planned; start it again"
    assert done.returncode != 0 and line in done.stdout + done.stderr and not block.exists()
    assert "Traceback" not in done.stderr

    experiment.write_text(text)
    done = subprocess.run(job, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and block.exists(), done.stderr[-3000:]


def test_an_experiment_named_twice_is_one_line(own, tmp_path):
    shutil.copytree(own.repository / "studies/nature2024" / DIGITS, tmp_path / "again" / DIGITS)
    config = {"studies": ["nature2024", "../again"]}
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "twice.yaml").write_text(yaml.safe_dump(config))
    answer = snakemake(own.repository, "-n", "--configfile", str(tmp_path / "below" / "twice.yaml"))
    assert answer.code != 0 and "Traceback" not in answer.out
    original = f"studies/nature2024/{DIGITS}/experiment.yaml"
    line = f"{tmp_path}/again/{DIGITS}/experiment.yaml: there is another experiment '{DIGITS}' ({original})"
    assert answer.out.splitlines()[-1] == line

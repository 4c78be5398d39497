"""The git state tells of code that git does not know, and code from outside the source tree has a name and a digest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perennial.files import lineage

REPOSITORY = Path(__file__).parents[2]
RUN = """
import sys
from pathlib import Path
from perennial import registry
from perennial.dag import stage_code
from perennial.jobs import sequences, training

output, *folders = map(Path, sys.argv[1:])
for folder in folders:
    registry.add_folder("algorithms", folder)
settings = {
    "procedure": {"name": "task_stream", "reset": "none"},
    "problem": {"name": "slowly_changing_regression", "flip_every": 10},
    "network": {"name": "mlp", "hidden": [5], "activation": "relu"},
    "algorithm": {"name": "mine", "step_size": 0.01},
    "measures": {}, "length": 2, "precision": "float64",
}
met = output.with_name("sequences.h5")
sequences.make_block(settings, [0], met)
training.train_block(settings, [0], output, sequences=[met], device="cpu", code=stage_code.train(settings))
"""


def git(folder, *words):
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """The package as it is now, all of it known to a git of its own."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=ignored)
    git(tmp_path, "init", "-q", str(folder))
    (folder / ".gitignore").write_text("__pycache__/\n*.tmp.py\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "all")
    return folder


def own_algorithm(folder):
    """A user's own algorithm, as docs/adding-an-algorithm.md begins: a copy of backpropagation."""
    folder.mkdir(exist_ok=True, parents=True)
    source = (REPOSITORY / "src/perennial/learning/algorithms/backprop.py").read_text()
    (folder / "mine.py").write_text(source)
    return folder


def record(checkout, *folders):
    """What a run says that was trained with the code of the checkout and of users' folders."""
    output = checkout.parent / "runs.h5"
    command = [sys.executable, "-c", RUN, str(output), *map(str, folders)]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=checkout.parent)
    assert done.returncode == 0, done.stderr
    return lineage.read(output)


def test_an_algorithm_that_git_does_not_know_is_a_change(checkout):
    own_algorithm(checkout / "src/perennial/learning/algorithms")
    head = git(checkout, "rev-parse", "HEAD")
    assert record(checkout)["git"] == f"{head}+changes"
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "mine")
    found = record(checkout)
    assert found["git"] == git(checkout, "rev-parse", "HEAD") != head and "outside" not in found
    (checkout / "src/perennial/notes.txt").write_text("no code")
    (checkout / "analysis.py").write_text("x = 1\n")  # reads results
    assert record(checkout)["git"] == found["git"]


def test_a_folder_of_the_user_in_the_same_repository_is_part_of_it(checkout):
    folder = own_algorithm(checkout / "studies/mine/algorithms")
    head = git(checkout, "rev-parse", "HEAD")
    found = record(checkout, folder)
    assert found["git"] == f"{head}+changes" and "outside" not in found
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "mine")
    assert record(checkout, folder)["git"] == git(checkout, "rev-parse", "HEAD")


def test_a_folder_elsewhere_is_named_with_a_digest_of_its_code(checkout, tmp_path):
    folder = own_algorithm(tmp_path / "ideas")
    before = record(checkout, folder)
    assert before["git"] == git(checkout, "rev-parse", "HEAD")  # nothing of the source tree is changed
    assert re.fullmatch("[0-9a-f]{16}", before["outside"]["ideas"]) and list(before["outside"]) == ["ideas"]
    assert str(tmp_path) not in json.dumps(before)
    line = f"  outside: ideas, code {before['outside']['ideas']}"
    assert line in lineage.Chain(tmp_path / "runs.h5").lines()
    with open(folder / "mine.py", "a", encoding="utf-8") as file:
        file.write("# another thought\n")
    assert record(checkout, folder)["outside"] != before["outside"]

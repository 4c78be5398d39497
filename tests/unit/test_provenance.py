"""Provenance: every result file says what made it and from what, and the chain can be followed to the data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import synthetic_results as made
import the_studies
from fidelity import support
from fidelity.support import DIGITS

from perennial import cli, datasets, figures, report
from perennial.analyses import summary
from perennial.claims import judging, records
from perennial.files import lineage, provenance, store
from perennial.jobs import sequences, training

SEEDS = [0, 1]
MEASURES = ("online_accuracy", "dead_units", "weight_magnitude", "effective_rank", "stable_rank")
SETTINGS = support.small(DIGITS, "cbp", measures={name: {"every": 1} for name in MEASURES})
RUN, METRICS = f"runs/{DIGITS}/cbp/seeds_0-1.h5", f"metrics/{DIGITS}/cbp.h5"
CLAIMS, FIGURE = f"claims/{DIGITS}", f"figures/{DIGITS}"
#: result file -> the inputs that it must name
FILES = {
    "../data/digits.h5": set(),
    "sequences/digits-1/seeds_0-1.h5": set(),
    RUN: {"../data/digits.h5", "sequences/digits-1/seeds_0-1.h5"},
    METRICS: {RUN},
    f"{CLAIMS}.json": {METRICS},
    f"{CLAIMS}.csv": {METRICS},
    f"{FIGURE}.svg": {METRICS},
    f"{FIGURE}.png": {METRICS},
    "report.html": {METRICS, f"{CLAIMS}.json", f"{FIGURE}.svg"},
    "claims.csv": {METRICS, f"{CLAIMS}.json", f"{FIGURE}.svg"},
}


def study_in(folder: Path) -> made.Study:
    table = {DIGITS: {"cbp": SETTINGS}}
    return made.Study(folder, table=table, counts={DIGITS: 2}, figure_names={DIGITS: [DIGITS]})


def train(folder: Path) -> None:
    """Sequences and runs, in the folder of a scale."""
    met = folder / "sequences/digits-1/seeds_0-1.h5"
    sequences.make_block({key: SETTINGS[key] for key in ("problem", "length")}, SEEDS, met, "of-sequences")
    data = folder.parent / "data" / "digits.h5"
    training.train_block(
        SETTINGS, SEEDS, folder / RUN, sequences=[met], dataset=data, device="cpu", code="of-training"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A small study from the data to the report, made once."""
    results = tmp_path_factory.mktemp("provenance") / "results"
    study = study_in(results)
    folder = study.folder
    datasets.make("digits", results / "data" / "digits.h5", code="of-data")
    train(folder)
    summary.summarise([folder / RUN], SEEDS, SEEDS, folder / METRICS, DIGITS, "cbp", "of-metrics")
    files = {"cbp": folder / METRICS}
    judging.judge(
        the_studies.claims(DIGITS), files, folder / f"{CLAIMS}.csv", folder / f"{CLAIMS}.json", "of-claims"
    )
    pictures = folder / f"{FIGURE}.svg", folder / f"{FIGURE}.png"
    figures.render(
        DIGITS, the_studies.figure(DIGITS), {(DIGITS, "cbp"): folder / METRICS}, *pictures, "of-figures"
    )
    report.build(study, folder / "report.html", folder / "claims.csv", "of-the-page")
    return results


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy of it, elsewhere: its folder of the scale."""
    shutil.copytree(whole, tmp_path / "moved")
    return tmp_path / "moved" / "laptop"


@pytest.mark.parametrize("name", FILES)
def test_every_result_file_says_what_made_it_and_from_what(folder, name):
    record = lineage.read(folder / name)
    assert record["code"].startswith("of-") and record["git"] == provenance.git_state()
    assert record["engine"] and record["device"] == provenance.device()
    assert record["versions"]["numpy"] == np.__version__ and record["versions"]["python"]
    assert record["settings"] and "seconds" not in json.dumps(record)
    found = lineage.inputs(folder / name, record)
    assert set(found) == {Path(os.path.normpath(folder / source)) for source in FILES[name]}
    for source, recorded in found.items():
        assert re.fullmatch("[0-9a-f]{64}", recorded) and not lineage.changed(source, recorded)


def test_settings_are_those_of_the_run(folder):
    assert lineage.read(folder / RUN)["settings"] == SETTINGS == lineage.read(folder / METRICS)["settings"]
    assert lineage.read(folder / f"{FIGURE}.png")["settings"]["variants"] == {f"{DIGITS}/cbp": SETTINGS}
    assert lineage.read(folder / f"{CLAIMS}.json")["settings"]["variants"] == {"cbp": SETTINGS}


def test_tables_of_verdicts_hold_verdicts_alone(folder):
    for name in ("claims.csv", f"{CLAIMS}.csv"):
        text = (folder / name).read_text()
        assert text.splitlines()[0].split(",") == list(records.COLUMNS)
        assert provenance.git_state() not in text and "cpu" not in text and "/" not in text


def test_the_command_follows_the_chain_to_the_data(folder, capsys):
    assert cli.main(["provenance", str(folder / "report.html")]) == 0
    lines = capsys.readouterr().out.splitlines()
    depths = {}
    for line in lines:
        for name in (METRICS, RUN, "data/digits.h5"):
            if f"{name}: sha256" in line and ", as above" not in line:
                depths[name] = len(line) - len(line.lstrip())
    assert depths == {METRICS: 2, RUN: 4, "data/digits.h5": 6}
    assert any("source: E. Alpaydin" in line for line in lines)
    assert any("run, code of-training" in line and "fused on cpu" in line for line in lines)


def change_array(path: Path) -> None:
    """Write a sealed file anew with one number changed."""
    with store.open_checked(path) as old:

        def fill(file):
            for name in old:
                old.copy(name, file)
            file.attrs.update({k: v for k, v in old.attrs.items() if k != "sha256"})
            data = next(d for d in _arrays(file) if d.size and d.dtype.kind == "f")
            data[(0,) * data.ndim] += 1
            file.attrs["sha256"] = provenance.content(file)

        store.write(path, fill)


def _arrays(node):
    return [node] if hasattr(node, "shape") else [d for key in sorted(node) for d in _arrays(node[key])]


def test_another_version_of_an_input_is_told(folder, capsys):
    before = provenance.checksum_of(folder / RUN)
    change_array(folder / RUN)
    assert cli.main(["provenance", str(folder / f"{FIGURE}.png")]) == 1
    out = capsys.readouterr().out
    now = provenance.checksum_of(folder / RUN)
    assert f"{RUN}: sha256 {before[:12]}; there is another version now (sha256 {now[:12]})" in out
    assert out.splitlines()[-1].endswith("1 of its inputs are gone, or another version now")


def test_an_input_that_is_gone_or_damaged_is_told(folder, capsys):
    (folder / "sequences/digits-1/seeds_0-1.h5").unlink()
    data = folder.parent / "data" / "digits.h5"
    data.write_bytes(data.read_bytes()[:-9])
    assert cli.main(["provenance", str(folder / METRICS)]) == 1
    out = capsys.readouterr().out
    assert "seeds_0-1.h5: sha256" in out and "not there any more" in out and "is truncated" in out


@pytest.mark.parametrize(
    ("name", "words"),
    [("notes.txt", "is not a result file"), ("a.svg", "holds no record"), ("b.json", "No such file"),
     ("c.h5", "has no end mark")],
)  # fmt: skip
def test_a_file_without_a_record_is_one_line(tmp_path, capsys, name, words):
    if not name.startswith("b"):
        (tmp_path / name).write_text("<svg/>")
    assert cli.main(["provenance", str(tmp_path / name)]) == 1
    captured = capsys.readouterr()
    assert not captured.out and captured.err.count("\n") == 1
    assert captured.err.startswith(str(tmp_path / name)) and words in captured.err


def test_equal_runs_have_equal_checksums_whoever_made_them(folder, monkeypatch):
    """Another git state, other times: the same numbers, so nothing that is made from them is out of date."""
    before = lineage.read(folder / RUN)
    monkeypatch.setattr(provenance, "git_state", lambda *folders: "another")
    train(folder)
    after = lineage.read(folder / RUN)
    assert after["git"] == "another" != before["git"]
    assert (after["sha256"], after["inputs"]) == (before["sha256"], before["inputs"])
    assert not any("another version" in line for line in lineage.Chain(folder / METRICS).lines())


def test_the_page_tells_what_is_older_than_its_inputs(folder):
    study = study_in(folder.parent)
    text = (folder / "report.html").read_text()
    assert "was made from another version" not in text
    change_array(folder / METRICS)
    report.build(study, folder / "report.html", folder / "claims.csv")
    text = (folder / "report.html").read_text()
    for name in (f"{CLAIMS}.json", f"{FIGURE}.svg"):
        assert f"{name} was made from another version of {METRICS}" in text


@pytest.mark.parametrize("change", ["bit", "type", "name", "attribute"])
def test_content_is_every_array_and_what_is_said_about_it(tmp_path, change):
    def write(path, value=1.0, kind="f4", name="a", units="percent", **root):
        with h5py.File(path, "w") as file:
            file.create_dataset(f"x/{name}", data=np.full(3, value, kind)).attrs["units"] = units
            file.attrs.update(root)
        with h5py.File(path) as file:
            return provenance.content(file)

    other = {"bit": {"value": np.nextafter(np.float32(1), np.float32(2))}, "type": {"kind": "f8"},
             "name": {"name": "b"}, "attribute": {"units": "weight"}}[change]  # fmt: skip
    first = write(tmp_path / "a.h5", git="one")
    assert first == write(tmp_path / "b.h5", git="two", wall_seconds=3.0)
    assert first != write(tmp_path / "c.h5", **other)


def test_the_git_state_of_another_repository_is_not_ours(tmp_path, monkeypatch):
    """An installed copy may lie inside a user's own repository."""
    inside = tmp_path / ".venv" / "perennial"
    inside.mkdir(parents=True)
    (inside / "provenance.py").touch()
    commit = ["-c", "user.name=a", "-c", "user.email=a", "commit", "-q", "--allow-empty", "-m", "a"]
    for words in (["init", "-q"], commit):
        subprocess.run(["git", "-C", str(tmp_path), *words], check=True)
    monkeypatch.setattr(provenance, "__file__", str(inside / "provenance.py"))
    assert provenance.git_state.__wrapped__() == "unknown"
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", str(inside)], check=True)
    assert re.fullmatch(r"[0-9a-f]{40}\+changes", provenance.git_state.__wrapped__())

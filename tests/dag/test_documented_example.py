"""The worked example of docs/adding-an-algorithm.md, done as written: a file, and a config that names its folder."""

from __future__ import annotations

import csv
import re

import h5py
import pytest
import yaml
from workflow_copy import ROOT, copy_repository, snakemake

PAGE = ROOT / "docs" / "adding-an-algorithm.md"


def blocks(language: str) -> list[str]:
    """The code blocks of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A small study on both problems in which the reader has followed the page."""
    folder = tmp_path_factory.mktemp("example") / "repository"
    copy_repository(folder)
    file, _forward_hooks = blocks("python")
    (folder.parent / "my_methods").mkdir()
    (folder.parent / "my_methods" / "my_method.py").write_text(file, encoding="utf-8")
    (page,) = blocks("yaml")
    config = yaml.safe_load(page)
    digits, regression = (
        config["experiments"][name] for name in ("permuted_digits", "slowly_changing_regression")
    )
    # A test, not a result: a few short tasks.
    digits["scales"] = {"smoke": {"seeds": 3, "length": 3, "variants": ["backprop", "fresh", "my_method"]}}
    regression["scales"] = {"smoke": {"seeds": 3, "length": 4, "variants": ["relu_0.01", "relu_my_method"]}}
    regression["problem"] = {"flip_every": 300}
    (folder.parent / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    answer = snakemake(folder, "--configfile", "../mine.yaml")
    assert answer.code == 0, answer.out[-5000:]
    return folder / "results" / "smoke"


def test_it_trains_on_both_problems_with_the_general_engine(done):
    for experiment, variant in (
        ("permuted_digits", "my_method"),
        ("slowly_changing_regression", "relu_my_method"),
    ):
        with h5py.File(done / "runs" / experiment / variant / "seeds_0-2.h5") as file:
            assert file.attrs["engine"] == "stacked"
            assert {"seed_0000", "seed_0001", "seed_0002"} <= set(file)


def test_it_is_compared_with_every_baseline(done):
    with open(done / "claims.csv", newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    for name in ("my_method vs backprop", "my_method vs fresh", "relu_my_method vs relu_0.01"):
        assert float(rows[name]["low"]) <= float(rows[name]["estimate"]) <= float(rows[name]["high"])
        assert rows[name]["verdict"] in ("better", "worse", "no difference shown")


def test_it_appears_in_the_figures_and_the_report(done):
    for figure in ("permuted_digits", "slowly_changing_regression_methods"):
        assert "my method" in (done / "figures" / f"{figure}.svg").read_text(
            encoding="utf-8"
        ).lower().replace("_", " ")
    page = (done / "report.html").read_text(encoding="utf-8")
    assert "my_method" in page

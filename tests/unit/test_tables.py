"""The tables of the READMEs belong to the claims and settings that are in the repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perennial import config
from perennial.report import tables

ROOT = Path(__file__).parents[2]
RECORDS = sorted(ROOT.glob(f"studies/*/*/{tables.FILE}"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.parent.name)
def test_an_experiments_table_is_made_from_its_record_and_is_not_stale(path):
    found = json.loads(path.read_text(encoding="utf-8"))
    assert tables.between(path.with_name("README.md")) == tables.of_experiment(found)
    study = config.load(ROOT / "config.yaml", scale=found["scale"])
    assert found["digest"] == tables.digest(study, path.parent.name), (
        "claims or settings have changed since: run the experiment again, then `perennial tables`"
    )


def test_the_projects_table_is_made_from_the_records():
    assert RECORDS and tables.between(ROOT / "README.md") == tables.of_project(
        config.load(ROOT / "config.yaml")
    )


def test_another_band_and_another_setting_make_a_table_stale(tmp_path):
    """The digest sees a changed tolerance and a changed step size."""
    study = config.load(ROOT / "config.yaml", scale="laptop")
    name = "permuted_digits"
    before = tables.digest(study, name)
    other = {"experiments": {name: {"variants": {"cbp": {"algorithm": {"replacement_rate": 0.5}}}}}}
    text = json.dumps({"studies": [str(ROOT / "studies" / "nature2024")], "scale": "laptop", **other})
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    assert tables.digest(config.load(tmp_path / "config.yaml"), name) != before

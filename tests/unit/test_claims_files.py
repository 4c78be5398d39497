"""Claims on disk: metrics files in, CSV, JSON and ledger out; equal inputs give equal bytes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import the_studies

from perennial.claims import data, judging, records
from perennial.claims.statement import ClaimError
from perennial.claims.verdict import NOT_RUN, REPRODUCED
from perennial.files import store

REGRESSION, DIGITS = "slowly_changing_regression", "permuted_digits"
FIGURE_CLAIMS = ["S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8"]
BINS = np.arange(0, 3_000_000, 40_000, dtype=float)
TASKS = np.arange(1.0, 1001.0)
LEVELS = {"linear_0.003": 0.826, "relu_0.01": 1.2, "tanh_0.01": 0.88, "tanh_0.003": 0.9}


def settings(algorithm, hidden=(5,)):
    return {"network": {"name": "mlp", "hidden": list(hidden)}, "algorithm": {"name": algorithm}}


def write_metrics(path, seeds, metrics, planned=None, algorithm="backprop", hidden=(5,), units="u"):
    """`metrics`: name -> (axes as {axis: coordinates}, values [seed, *axes])."""

    def fill(file):
        file.attrs["seeds"] = np.array(seeds)
        file.attrs["planned_seeds"] = np.array(sorted(seeds) if planned is None else planned)
        file.attrs["settings"] = json.dumps(settings(algorithm, hidden))
        for name, (axes, values) in metrics.items():
            group = file.create_group(name)
            group["values"] = values
            group.attrs["axes"] = json.dumps(list(axes))
            group.attrs["units"] = units
            for axis, points in axes.items():
                group[axis] = points

    store.write(path, fill)
    return path


@pytest.fixture
def files(tmp_path):
    made = {}
    for name, curve in LEVELS.items():
        values = curve + 0.01 * np.random.default_rng(len(made)).normal(size=(6, 75))
        made[name] = write_metrics(
            tmp_path / "metrics" / f"{name}.h5", range(6), {"squared_error": ({"example": BINS}, values)}
        )
    return made


def judge(files, folder, experiment=REGRESSION):
    judging.judge(
        the_studies.claims(experiment), files, folder / f"{experiment}.csv", folder / f"{experiment}.json"
    )
    return folder / f"{experiment}.csv", folder / f"{experiment}.json"


def test_csv_and_json(files, tmp_path):
    csv_path, json_path = judge(files, tmp_path / "claims")
    text = csv_path.read_text()
    assert text.splitlines()[0] == "id,experiment,n,estimate,low,high,published,verdict,parts,settled_by"
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["id"] for row in rows] == [*FIGURE_CLAIMS, "S9", "S10", "S12", "S13", "S14"]
    first = rows[0]
    assert first["n"] == "6" and first["published"] == "0.826" and first["verdict"] == REPRODUCED
    assert len(first["estimate"].lstrip("0.")) <= 6
    assert next(row for row in rows if row["id"] == "S10")["estimate"] == ""
    found = json.loads(json_path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    assert found["format"] == 1 and found["claims"][0]["parts"][0]["values"][0][0] == 0
    for claim in found["claims"]:
        assert claim["reason"] and claim["statement"] and claim["source"]["figure"] and claim["source"]["tag"]
        assert all(part["band"]["why"] for part in claim["parts"])
    assert str(tmp_path) not in text + json_path.read_text()


def test_equal_inputs_in_any_order_give_equal_bytes(files, tmp_path):
    first = judge(files, tmp_path / "a")
    again = judge(files, tmp_path / "again")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    shuffled = {}
    order = np.random.default_rng(0).permutation(6)
    for name, path in reversed(list(files.items())):
        with store.open_checked(path) as file:
            values = file["squared_error/values"][...]
        shuffled[name] = write_metrics(
            tmp_path / "shuffled" / f"{name}.h5",
            order,
            {"squared_error": ({"example": BINS}, values[order])},
            planned=range(6),
        )
    assert without_inputs(*judge(shuffled, tmp_path / "b")) == without_inputs(*first)


def without_inputs(csv_path, json_path):
    """Both files, but for the checksums of what was read: the order of the seeds is part of those."""
    found = json.loads(json_path.read_text())
    assert len(found["provenance"].pop("inputs")) > 1
    return csv_path.read_bytes(), json.dumps(found)


def test_layers_are_averaged(tmp_path):
    values = np.stack([np.full((4, 1000), 1.0), np.full((4, 1000), 3.0)], axis=2)
    path = write_metrics(
        tmp_path / "cbp.h5",
        range(4),
        {"dead_units": ({"task": TASKS, "layer": [0, 1]}, values)},
        algorithm="cbp",
    )
    metrics = data.read({"cbp": path})["cbp"].metrics
    assert (metrics["dead_units"].values == 2.0).all()
    assert (metrics["dead_units[0]"].values == 1.0).all() and (metrics["dead_units[1]"].values == 3.0).all()


def test_dimensions_are_there_in_percent_of_each_layers_width(tmp_path):
    values = np.stack([np.full((2, 3), 40.0), np.full((2, 3), 50.0)], axis=2)
    axes = {"task": TASKS[:3], "layer": [1, 2]}
    path = write_metrics(tmp_path / "v.h5", [1, 0], {"effective_rank": (axes, values)}, hidden=(80, 200))
    plain = data.read({"v": path})["v"].metrics
    assert "effective_rank%" not in plain  # its units are no dimensions
    path = write_metrics(
        tmp_path / "v.h5", [1, 0], {"effective_rank": (axes, values)}, hidden=(80, 200), units="dimensions"
    )
    found = data.read({"v": path})["v"].metrics["effective_rank%"]
    assert (found.values == (50 + 25) / 2).all() and found.units == "percent of the width"


@pytest.mark.parametrize("damage", ["truncated", "absent", "another kind"])
def test_bad_files_end_in_one_line(files, tmp_path, damage):
    path = files["tanh_0.01"]
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "absent":
        path.unlink()
    else:
        store.write(path, lambda file: file.create_group("nothing"))
    with pytest.raises(ClaimError) as caught:
        judge(files, tmp_path / "claims")
    assert "tanh_0.01.h5" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "claims").exists()


def test_ledger_gathers_what_is_there(files, tmp_path):
    folder = tmp_path / "claims"
    assert records.ledger(folder) == [] and records.read(folder) == []
    judge(files, folder)
    judge({}, folder, DIGITS)
    rows = records.ledger(folder)
    assert [row["experiment"] for row in rows] == [DIGITS] * 9 + [REGRESSION] * 13
    assert {row["verdict"] for row in rows[:9]} == {NOT_RUN}
    records.write_ledger(folder, tmp_path / "claims.csv")
    assert list(csv.DictReader((tmp_path / "claims.csv").open())) == rows
    assert [claim["id"] for claim in records.read(folder)] == [row["id"] for row in rows]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", ",".join(records.COLUMNS) + "\nS1,too,few\n"])
def test_a_ledger_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ClaimError, match=r"x\.csv: not a claims CSV"):
        records.ledger(tmp_path)


def test_a_claims_json_of_something_else_is_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"claims": []')
    with pytest.raises(ClaimError, match=r"x\.json: not a claims file"):
        records.read(tmp_path)


def test_an_experiment_without_claims_has_empty_files(tmp_path):
    path = write_metrics(tmp_path / "v.h5", [0, 1], {"m": ({"task": [1.0, 2.0]}, np.zeros((2, 2)))})
    csv_path, json_path = judge({"v": path}, tmp_path, "my_experiment")
    assert csv_path.read_text() == ",".join(records.COLUMNS) + "\n"
    assert json.loads(json_path.read_text())["claims"] == []


def test_neither_torch_nor_numba_is_imported():
    code = (
        "import sys, perennial.claims.judging, perennial.claims.records, perennial.analyses.summary\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numba')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""A run whose loss or weights are no finite numbers: recorded, told, and never judged by numbers that look good."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial import registry
from perennial.analyses import summary
from perennial.claims import data, judging
from perennial.claims.statement import Claims
from perennial.files import series, store
from perennial.jobs import sequences, training
from perennial.procedures import _finite

SEEDS, TASKS = [0, 1, 2], 4


def trained(folder, problem: str, step_size: float, engine: str, measures: dict) -> dict:
    """A block of three runs, written to runs.h5; its settings."""
    settings = support.small(problem, "backprop", measures=measures, length=TASKS)
    settings["algorithm"]["step_size"] = step_size
    folder.mkdir(exist_ok=True)
    sequences.make_block(settings, SEEDS, folder / "sequences.h5")
    dataset = None
    if name := registry.module("problems", problem).DATASET:
        dataset = folder / f"{name}.h5"
        images = support.DATASETS[name](100).items()
        store.write(dataset, lambda file: [file.create_dataset(k, data=v) for k, v in images])
    training.train_block(
        settings, SEEDS, folder / "runs.h5", sequences=[folder / "sequences.h5"], dataset=dataset, engine=engine,
        device="cpu", experiment="e", variant="b", label="e/b",
    )  # fmt: skip
    return settings


def recorded(folder) -> dict[int, int]:
    with store.open_checked(folder / "runs.h5") as file:
        found = {seed: file[series.group_of(seed)].attrs.get(series.DIVERGED) for seed in SEEDS}
    return {seed: int(step) for seed, step in found.items() if step is not None}


@pytest.mark.parametrize("engine", ["fused", "stacked"])
def test_the_first_loss_that_is_no_number_is_recorded(tmp_path, capsys, engine):
    trained(tmp_path, REGRESSION, 1e3, engine, {"squared_error": {"every": 1}})
    found = recorded(tmp_path)
    with store.open_checked(tmp_path / "runs.h5") as file:
        errors = [file[f"{series.group_of(seed)}/squared_error"][...] for seed in SEEDS]
        steps = file.attrs["run_steps"] // len(SEEDS) // TASKS
    assert set(found) == set(SEEDS)
    for seed, error in zip(SEEDS, errors, strict=True):  # one value a task
        first = int(np.argmin(np.isfinite(error)))
        assert not np.isfinite(error).all() and first * steps < found[seed] <= (first + 1) * steps
    assert (
        f"e/b: 3 of 3 runs diverged (loss or weights are no finite numbers): seed 0 from update {found[0]:,}"
        in (capsys.readouterr().err)
    )


@pytest.mark.parametrize("engine", ["fused", "stacked"])
def test_weights_that_are_no_numbers_are_seen_where_accuracy_and_dead_units_look_good(tmp_path, engine):
    measures = {"online_accuracy": {"every": 1}, "dead_units": {"every": 1}}
    trained(tmp_path, DIGITS, 1e30, engine, measures)
    with store.open_checked(tmp_path / "runs.h5") as file:
        values = [file[f"{series.group_of(seed)}/{name}"][...] for seed in SEEDS for name in measures]
        steps = file.attrs["run_steps"] // len(SEEDS) // TASKS
    assert all(np.isfinite(one).all() for one in values)  # nothing measured tells
    assert recorded(tmp_path) == {seed: steps for seed in SEEDS}  # seen at the end of the first task


def test_good_runs_have_no_such_mark(tmp_path, capsys):
    trained(tmp_path, REGRESSION, 0.01, "fused", {"squared_error": {"every": 1}})
    assert recorded(tmp_path) == {} and "diverged" not in capsys.readouterr().err


def test_a_look_finds_the_first_update_and_keeps_it():
    weights = {
        "weights": {"w": np.array([[1.0], [np.inf], [1.0]])},
        "optimiser": {"m": np.full((3, 1), np.nan)},
    }
    performance = np.array([[1, 2, 3], [1, 2, 3], [1, np.nan, np.inf]])
    never = np.full(3, _finite.NEVER)
    found = _finite.look(never, 10, performance, weights)
    assert found.tolist() == [-1, 13, 12]
    assert _finite.look(found, 13, performance[::-1], weights).tolist() == [15, 13, 12]
    assert _finite.finite(
        {"buffers": {"a": np.zeros((2, 1)), "b": np.array([[np.nan], [0.0]])}}
    ).tolist() == [False, True]


def claims(**part) -> Claims:
    band = {"at_most": 200, "why": "any accuracy"}
    parts = [{"label": "low", "statistic": "b online_accuracy @ all", "band": band, **part}]
    claim = {
        "id": "D", "statement": "s", "source": {"figure": "f", "tag": "t"}, "kind": "ordinal", "parts": parts,
    }  # fmt: skip
    window = {"all": {"text": "all tasks", "last": TASKS}}
    return Claims.model_validate({"experiment": "e", "title": "e", "windows": window, "claims": [claim]})


def test_a_part_with_diverged_runs_is_open_unless_it_is_about_them(tmp_path):
    trained(tmp_path, DIGITS, 1e30, "fused", {"online_accuracy": {"every": 1}})
    summary.summarise([tmp_path / "runs.h5"], SEEDS, SEEDS, tmp_path / "b.h5", "e", "b")
    with store.open_checked(tmp_path / "b.h5") as file:
        assert set(json.loads(file.attrs["diverged"])) == {"0", "1", "2"}
    results = data.read({"b": tmp_path / "b.h5"}, "e")
    (found,) = judging.verdicts(claims(), results)["claims"]
    assert found["verdict"] == "inconclusive" and found["parts"][0]["diverged"] == 3
    assert found["reason"] == "3 of 3 seeds diverged: their loss or weights are no finite numbers"
    (found,) = judging.verdicts(claims(about_divergence=True), results)["claims"]
    assert found["verdict"] == "reproduced" and found["reason"].endswith("; 3 of 3 seeds diverged")
    (found,) = judging.verdicts(
        claims(statistic="b algorithm.step_size", band={"at_least": 1, "why": "w"}), results
    )["claims"]
    assert found["parts"][0]["diverged"] == 0  # a setting does not depend on the runs

"""`perennial.load`: one tidy row per number of every seed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from block_files import write_block

from perennial.files import store
from perennial.files.loading import load


@pytest.fixture
def results(tmp_path):
    for variant, shift in (("cbp", 10.0), ("backprop", 0.0)):
        for seeds in ([0, 1], [2]):
            metrics = {
                "accuracy": ({"task": [1, 2]}, {s: np.array([s, s + 0.5]) + shift for s in seeds}),
                "rank": (
                    {"task": [1, 2], "layer": [0, 1, 2]},
                    {s: 100 * s + np.arange(6.0).reshape(2, 3) for s in seeds},
                ),
                "final": ({}, {s: np.array(float(s)) for s in seeds}),
            }
            write_block(tmp_path / f"runs/digits/{variant}/seeds_{seeds[0]}-{seeds[-1]}.h5", seeds, metrics)
    return tmp_path


def test_every_number_once(results):
    table = load(results)
    assert list(table.columns) == ["experiment", "variant", "seed", "metric", "task", "layer", "value"]
    assert len(table) == 2 * 3 * (2 + 6 + 1)
    keys = ["experiment", "variant", "seed", "metric", "task", "layer"]
    assert not table.duplicated(keys).any()
    row = table[
        (table.variant == "cbp")
        & (table.seed == 2)
        & (table.metric == "rank")
        & (table.task == 2)
        & (table.layer == 1)
    ]
    assert list(row.value) == [204.0]


def test_axes_a_metric_does_not_have_are_nan(results):
    table = load(results)
    assert table[table.metric == "accuracy"].layer.isna().all()
    assert table[table.metric == "final"][["task", "layer"]].isna().all().all()
    assert table[table.metric == "rank"].layer.notna().all()


def test_filters(results):
    table = load(results, "digits", "cbp", "accuracy")
    assert set(table.variant) == {"cbp"} and set(table.metric) == {"accuracy"}
    assert list(table.seed) == [0, 0, 1, 1, 2, 2]
    assert list(table.value) == [10.0, 10.5, 11.0, 11.5, 12.0, 12.5]
    assert "layer" not in table.columns


def test_a_seed_in_two_blocks_counts_once(results):
    metrics = {"accuracy": ({"task": [1, 2]}, {1: np.array([1.0, 1.5])})}
    write_block(results / "runs/digits/backprop/seeds_1-1.h5", [1], metrics)
    table = load(results, variant="backprop", metric="accuracy")
    assert sorted(table.seed) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experiment": "digit"}, "no experiment 'digit'; there are: digits"),
        ({"variant": "cpb"}, "no variant 'cpb' with finished runs; there are: backprop, cbp"),
        ({"metric": "acuracy"}, "no metric 'acuracy'; there are: accuracy, final, rank"),
    ],
)
def test_nothing_found_says_what_there_is(results, arguments, words):
    with pytest.raises(FileNotFoundError, match=words):
        load(results, **arguments)


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load(tmp_path / "nowhere")


def test_a_bad_file_is_named(results):
    path = results / "runs/digits/cbp/seeds_2-2.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(store.BadFile, match=r"seeds_2-2\.h5: is truncated"):
        load(results)


def test_pandas_is_imported_only_when_asked_for():
    code = "import sys, perennial.files.loading; sys.exit('pandas' in sys.modules or 'h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

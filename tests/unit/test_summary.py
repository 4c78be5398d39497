"""Run files to metrics file: hand-worked statistics, and one clear line for everything that can be wrong."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from block_files import SETTINGS, write_block
from scipy import stats

from perennial.analyses.summary import SummaryError, statistics, summarise
from perennial.files import store

TASKS = {"task": [1, 2, 3]}
LAYERS = {"task": [1, 2, 3], "layer": [0, 1]}


def accuracy(seeds):
    return {"accuracy": (TASKS, {s: np.array([1.0, 2.0, 3.0]) * (s + 1) for s in seeds})}


def both(seeds):
    dead = {"dead": (LAYERS, {s: np.full((3, 2), float(s)) for s in seeds})}
    return accuracy(seeds) | dead


def run(tmp_path, files, seeds, planned=(), output="m.h5"):
    out = tmp_path / output
    summarise(files, seeds, planned or seeds, out, "digits", "backprop")
    return out


def test_hand_worked_statistics(tmp_path):
    # accuracy at task 1 of seeds 0, 1, 2 is 1, 2, 3: mean 2, sd 1, se 1/sqrt(3), t(0.975, 2) = 4.302653
    block = write_block(tmp_path / "seeds_0-2.h5", [0, 1, 2], both([0, 1, 2]))
    with store.open_checked(run(tmp_path, [block], [0, 1, 2])) as file:
        group = file["accuracy"]
        assert group["values"].shape == (3, 3)
        assert group["mean"][0] == 2.0
        assert group["standard_error"][0] == pytest.approx(1 / math.sqrt(3), rel=1e-15)
        assert group["high"][0] == pytest.approx(2 + 4.30265272991 / math.sqrt(3), abs=1e-9)
        assert group["low"][0] == pytest.approx(2 - 4.30265272991 / math.sqrt(3), abs=1e-9)
        assert list(group["task"]) == [1, 2, 3]
        assert json.loads(group.attrs["axes"]) == ["task"]
        assert group.attrs["units"] == "units of accuracy"
        assert json.loads(file["dead"].attrs["axes"]) == ["task", "layer"]
        assert file["dead/values"].shape == (3, 3, 2)


def test_agrees_with_scipy():
    values = np.random.default_rng(1).normal(size=(7, 4))
    found = statistics(values)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(0), scale=stats.sem(values, axis=0))
    np.testing.assert_allclose(found["low"], low, rtol=1e-12)
    np.testing.assert_allclose(found["high"], high, rtol=1e-12)


def test_one_seed_has_no_interval(tmp_path):
    block = write_block(tmp_path / "seeds_0-0.h5", [0], accuracy([0]))
    with store.open_checked(run(tmp_path, [block], [0])) as file:
        assert np.isnan(file["accuracy/low"][...]).all()
        assert np.isnan(file["accuracy/standard_error"][...]).all()
        assert list(file["accuracy/mean"]) == [1.0, 2.0, 3.0]


def test_only_wanted_seeds_over_several_blocks(tmp_path):
    first = write_block(tmp_path / "seeds_0-2.h5", [0, 1, 2], accuracy([0, 1, 2]), cpu_seconds=1.0)
    second = write_block(
        tmp_path / "seeds_3-4.h5",
        [3, 4],
        accuracy([3, 4]),
        cpu_seconds=4.0,
        peak_memory_bytes=7,
        engine="torch",
    )
    unused = write_block(tmp_path / "seeds_5-6.h5", [5, 6], accuracy([5, 6]), cpu_seconds=100.0)
    with store.open_checked(run(tmp_path, [second, unused, first], [4, 1], planned=range(10))) as file:
        assert list(file.attrs["seeds"]) == [1, 4]
        assert list(file["accuracy/values"][:, 0]) == [2.0, 5.0]
        assert len(file.attrs["planned_seeds"]) == 10
        assert file.attrs["cpu_seconds"] == 5.0
        assert file.attrs["peak_memory_bytes"] == 100
        assert file.attrs["run_steps"] == 20
        assert json.loads(file.attrs["trained"])["engine"] == ["fused", "torch"]
        assert (file.attrs["kind"], file.attrs["experiment"], file.attrs["variant"]) == (
            "metrics",
            "digits",
            "backprop",
        )


def test_a_diverged_seed_is_not_averaged_away(tmp_path):
    values = {0: np.array([1.0, 1.0, 1.0]), 1: np.array([1.0, np.nan, np.inf]), 2: np.array([1.0, 1.0, 1.0])}
    block = write_block(tmp_path / "seeds_0-2.h5", [0, 1, 2], {"error": (TASKS, values)})
    with store.open_checked(run(tmp_path, [block], [0, 1, 2])) as file:
        mean = file["error/mean"][...]
    assert mean[0] == 1.0 and not np.isfinite(mean[1:]).any()


def one_line(tmp_path, files, seeds):
    with pytest.raises(SummaryError) as caught:
        run(tmp_path, files, seeds)
    text = str(caught.value)
    assert "\n" not in text
    assert not (tmp_path / "m.h5").exists()
    return text


def test_missing_seeds_are_named(tmp_path):
    block = write_block(tmp_path / "seeds_0-1.h5", [0, 1], accuracy([0, 1]))
    assert "digits/backprop: no run of seed 2, 5" in one_line(tmp_path, [block], [0, 1, 2, 5])


def test_different_settings_are_named(tmp_path):
    a = write_block(tmp_path / "seeds_0-0.h5", [0], accuracy([0]))
    other = json.loads(json.dumps(SETTINGS))
    other["algorithm"]["step_size"] = 0.03
    b = write_block(tmp_path / "seeds_1-1.h5", [1], accuracy([1]), settings=other)
    text = one_line(tmp_path, [a, b], [0, 1])
    assert "seeds_1-1.h5" in text and "seeds_0-0.h5" in text and "algorithm.step_size" in text


def test_settings_in_another_order_are_the_same(tmp_path):
    a = write_block(tmp_path / "seeds_0-0.h5", [0], accuracy([0]))
    b = write_block(
        tmp_path / "seeds_1-1.h5", [1], accuracy([1]), settings=dict(reversed(list(SETTINGS.items())))
    )
    run(tmp_path, [a, b], [0, 1])


@pytest.mark.parametrize("damage", ["truncated", "flipped", "not ours", "absent"])
def test_bad_files_are_named(tmp_path, damage):
    block = write_block(tmp_path / "seeds_0-0.h5", [0], accuracy([0]))
    data = bytearray(block.read_bytes())
    if damage == "truncated":
        block.write_bytes(data[:-10])
    elif damage == "flipped":
        data[-1] ^= 1
        block.write_bytes(data)
    elif damage == "not ours":
        block.write_text("hello")
    else:
        block.unlink()
    assert "seeds_0-0.h5" in one_line(tmp_path, [block], [0])


def test_a_metric_missing_in_one_seed(tmp_path):
    metrics = accuracy([0, 1])
    metrics["accuracy"][1].pop(1)
    metrics["dead"] = both([0, 1])["dead"]
    block = write_block(tmp_path / "seeds_0-1.h5", [0, 1], metrics)
    assert "metric accuracy is missing for seed 1" in one_line(tmp_path, [block], [0, 1])


def test_shapes_and_axes_must_agree(tmp_path):
    wrong = write_block(tmp_path / "a.h5", [0], {"accuracy": (TASKS, {0: np.zeros(2)})})
    assert "shape (2,)" in one_line(tmp_path, [wrong], [0])
    a = write_block(tmp_path / "b.h5", [0], accuracy([0]))
    b = write_block(tmp_path / "c.h5", [1], {"accuracy": ({"task": [2, 3, 4]}, {1: np.zeros(3)})})
    assert "its axes differ" in one_line(tmp_path, [a, b], [0, 1])


def test_no_seeds_at_all(tmp_path):
    assert "no seeds" in one_line(tmp_path, [], [])

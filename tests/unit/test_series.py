"""Series from a course to a metrics file: written, read back, and, where runs differ in their points, binned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from block_files import SETTINGS, write_block

from perennial.analyses import bins
from perennial.analyses.summary import summarise
from perennial.files import series, store
from perennial.files.loading import load
from perennial.procedures import Series

SEEDS = [4, 11]
ABOUT = ("reward", "sum of an episode's rewards", "invented")
#: episodes of unequal length: where each ended, in steps, and its return
ENDS = [np.array([2, 5, 10, 11]), np.array([7, 8, 9, 21])]
RETURNS = [np.array([1.0, 3.0, 5.0, 9.0]), np.array([2.0, 4.0, 6.0, 8.0])]
EPISODES = Series("episodic_return", "step", ENDS, RETURNS, *ABOUT, ragged=True)
LAYERS = {"layer": np.array([1, 2, 3])}
DEAD = [np.arange(12.0).reshape(4, 3), np.arange(12.0, 24.0).reshape(4, 3)]
EVEN = Series("dead_units", "task", [np.array([1, 2, 3, 4])], DEAD, "percent", "silent", "paper", LAYERS)
WIDE = Series("error_of_each", "step", ENDS, DEAD, *ABOUT, LAYERS, ragged=True)


def written(folder, measured) -> dict[int, dict[str, series.Stored]]:
    """What a run file of these measures says of each seed."""
    path = folder / "runs.h5"
    store.write(path, lambda file: [series.write(file, one, SEEDS) for one in measured])
    with store.open_checked(path) as file:
        return {seed: {found.name: found for found in series.read(file, seed)} for seed in SEEDS}


@pytest.mark.parametrize("one", [EPISODES, EVEN, WIDE], ids=lambda one: one.name)
def test_a_series_is_read_as_it_was_written(one, tmp_path):
    for r, found in enumerate(written(tmp_path, [EVEN, EPISODES, WIDE]).values()):
        own = found[one.name]
        assert np.array_equal(own.values, one.values[r]) and own.ragged == one.ragged
        assert own.axes == [one.axis, *one.axes]
        positions = one.positions[r if one.ragged else 0]
        assert np.array_equal(own.coordinates[one.axis], positions)
        assert all(np.array_equal(own.coordinates[axis], values) for axis, values in one.axes.items())
        assert own.attributes == {key: getattr(one, key) for key in ("units", "description", "source")}


def test_only_the_measure_that_is_named_is_read(tmp_path):
    written(tmp_path, [EVEN, EPISODES])
    with store.open_checked(tmp_path / "runs.h5") as file:
        assert [found.name for found in series.read(file, 4, "dead_units")] == ["dead_units"]
        assert not list(series.read(file, 4, "nothing"))
        with pytest.raises(KeyError):
            next(series.read(file, 5))


def test_points_that_all_runs_share_are_written_once(tmp_path):
    written(tmp_path, [EVEN, EPISODES])
    with store.open_checked(tmp_path / "runs.h5") as file:
        assert file["coordinates/dead_units/task"].shape == (4,)
        assert set(file["coordinates/episodic_return/step"]) == {"seed_0004", "seed_0011"}
        assert json.loads(file["seed_0004/episodic_return"].attrs["axes"]) == ["step"]


# ---- bins


def stored(positions, values, **axes) -> series.Stored:
    coordinates = {"step": np.array(positions), **{name: np.array(points) for name, points in axes.items()}}
    return series.Stored("episodic_return", np.array(values, float), coordinates, {}, True)


def test_bins_by_hand():
    """Of five steps: episodes that end at 2 and 5 lie in the first, one at 10 in the second, one at 11 in the third."""
    values, coordinates = bins.of_series(stored(ENDS[0], RETURNS[0]), 5, 15)
    assert values.tolist() == [2.0, 5.0, 9.0]
    assert {axis: ends.tolist() for axis, ends in coordinates.items()} == {"step": [5, 10, 15]}


def test_an_empty_bin_has_the_value_before_it_and_the_first_has_none():
    values, _ = bins.of_series(stored(ENDS[1], RETURNS[1]), 5, 25)
    assert np.isnan(values[0]) and values[1:].tolist() == [4.0, 4.0, 4.0, 8.0]
    values, _ = bins.of_series(stored([], []), 5, 10)
    assert np.isnan(values).all() and values.shape == (2,)


def test_an_unfinished_last_bin_is_left_out():
    values, coordinates = bins.of_series(stored([4, 8, 12], [1, 2, 100]), 5, 14)
    assert values.tolist() == [1, 2] and coordinates["step"].tolist() == [5, 10]


def test_other_axes_stay_as_they_are():
    found = stored([1, 2, 6], [[1, 10], [3, 30], [5, 50]], layer=[1, 2])
    values, coordinates = bins.of_series(found, 5, 10)
    assert values.tolist() == [[2, 20], [5, 50]]
    assert list(coordinates) == ["step", "layer"] and coordinates["layer"].tolist() == [1, 2]


def test_no_value_of_a_ragged_series_is_lost_or_counted_twice():
    """Where every bin has points, the means weighted by their numbers are the mean of all."""
    random = np.random.default_rng(0)
    positions = np.sort(random.choice(np.arange(1, 101), 60, replace=False))
    points = random.normal(size=60)
    values, coordinates = bins.of_series(stored(positions, points), 10, 100)
    counts = np.array([((positions > end - 10) & (positions <= end)).sum() for end in coordinates["step"]])
    assert (counts > 0).all() and counts.sum() == 60
    assert (values * counts).sum() / 60 == pytest.approx(points.mean(), rel=1e-12)


# ---- the stages that read them


def test_statistics_over_seeds_are_taken_in_bins(tmp_path):
    settings = {**SETTINGS, "length": 24, "measures": {"episodic_return": {"every": 5}}}
    block = write_block(tmp_path / "seeds_4-11.h5", SEEDS, {}, settings, measured=[EPISODES])
    summarise([block], SEEDS, SEEDS, tmp_path / "m.h5", "chain", "cbp")
    with store.open_checked(tmp_path / "m.h5") as file:
        group = file["episodic_return"]
        assert json.loads(group.attrs["axes"]) == ["step"] and group.attrs["units"] == "reward"
        assert group["step"][...].tolist() == [5, 10, 15, 20]
        np.testing.assert_array_equal(group["values"], [[2, 5, 9, 9], [np.nan, 4, 4, 4]])
        np.testing.assert_array_equal(group["mean"], [np.nan, 4.5, 6.5, 6.5])


def test_the_table_has_every_episode_of_every_seed(tmp_path):
    path = tmp_path / "runs" / "chain" / "cbp" / "seeds_4-11.h5"
    settings = {**SETTINGS, "measures": {"episodic_return": {"every": 5}}}
    write_block(path, SEEDS, {}, settings, measured=[EPISODES])
    table = load(tmp_path, metric="episodic_return")
    assert len(table) == 8
    for r, seed in enumerate(SEEDS):
        own = table[table.seed == seed]
        assert own.step.tolist() == ENDS[r].tolist() and own.value.tolist() == RETURNS[r].tolist()

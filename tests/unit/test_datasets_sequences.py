"""Data sets and sequences as files: what they hold, that blocks do not matter, and how mistakes are told."""

from __future__ import annotations

import numpy as np
import pytest

from perennial import datasets
from perennial.datasets import digits
from perennial.files import store
from perennial.jobs import sequences
from perennial.problems import slowly_changing_regression as regression

REGRESSION = {"problem": {"name": "slowly_changing_regression", "flip_every": 10}, "length": 6}
DIGITS = {"problem": {"name": "permuted_digits"}, "length": 6}


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.h5"
    datasets.make("digits", path)
    return path


def test_the_digits_are_those_of_scikit_learn(digits_file):
    from sklearn.datasets import load_digits

    bunch, found = load_digits(), datasets.read(digits_file)
    assert found["images"].shape == (1797, 8, 8) and found["images"].dtype == np.uint8
    assert np.array_equal(found["images"], bunch.images) and np.array_equal(found["labels"], bunch.target)
    assert found["images"].max() == 16 and (np.bincount(found["labels"]) > 170).all()


def test_a_data_set_says_where_it_comes_from(digits_file):
    with store.open_checked(digits_file) as file:
        assert file.attrs["kind"] == "dataset" and file.attrs["sha256"] == digits.SHA256
        assert "UCI" in file.attrs["source"] and "CC BY" in file.attrs["licence"]


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(datasets.DataError) as caught:
        datasets.make("digit", tmp_path / "a.h5")
    assert "'digit'" in str(caught.value) and "digits" in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_changed_digits_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "SHA256", "0" * 64)
    with pytest.raises(datasets.DataError, match="checksum") as caught:
        datasets.make("digits", tmp_path / "a.h5")
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [REGRESSION, DIGITS], ids=lambda s: s["problem"]["name"])
def test_a_seed_s_sequence_is_the_same_in_every_block(settings, tmp_path):
    sequences.make_block(settings, list(range(6)), tmp_path / "all.h5")
    sequences.make_block(settings, [4, 2], tmp_path / "two.h5")
    sequences.make_block(settings, [3], tmp_path / "one.h5")
    whole = sequences.read([tmp_path / "all.h5"], list(range(6)))
    parts = sequences.read([tmp_path / "one.h5", tmp_path / "two.h5"], [2, 3, 4])
    for part, expected in zip(parts, whole[2:5], strict=True):
        assert part.keys() == expected.keys()
        for name in part:
            assert part[name].dtype == expected[name].dtype
            assert np.array_equal(part[name], expected[name])


def test_a_sequence_file_holds_what_the_problem_says(tmp_path):
    path = tmp_path / "deep" / "a.h5"
    sequences.make_block(REGRESSION, [7], path)
    (found,) = sequences.read([path], [7])
    expected = regression.sequence(regression.Settings(flip_every=10), 7, 6)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    with store.open_checked(path) as file:
        assert (file.attrs["kind"], file.attrs["problem"]) == ("sequences", "slowly_changing_regression")
        assert file.attrs["length"] == 6 and list(file) == ["seed_0007"]
        assert list(file.attrs["seeds"]) == [7]
        others = (value for key, value in file.attrs.items() if key != "seeds")
        assert all(isinstance(value, str | int | np.integer) for value in others)


def test_sequences_come_in_the_asked_for_order(tmp_path):
    sequences.make_block(DIGITS, [0, 1, 2], tmp_path / "a.h5")
    forth, back = (sequences.read([tmp_path / "a.h5"], seeds) for seeds in ([0, 2], [2, 0]))
    assert np.array_equal(forth[0]["permutation"], back[1]["permutation"])
    assert not np.array_equal(forth[0]["permutation"], back[0]["permutation"])


def test_a_seed_that_no_file_holds(tmp_path):
    sequences.make_block(DIGITS, [0], tmp_path / "a.h5")
    with pytest.raises(store.BadFile, match="no sequences of seeds") as caught:
        sequences.read([tmp_path / "a.h5"], [0, 5])
    assert "[5]" in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_sequence_file(tmp_path):
    path = tmp_path / "a.h5"
    sequences.make_block(DIGITS, [0], path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(store.BadFile, match="truncated"):
        sequences.read([path], [0])

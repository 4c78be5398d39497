"""The walker over nested dicts: paths, several trees at once, runs joined and taken apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from perennial.learning import tree


def made(runs: list[int]) -> dict:
    """A tree of two branches whose numbers tell the run they are of."""
    rows = np.array(runs, float)
    weights = {"weight_0": rows[:, None, None] + np.arange(6.0).reshape(2, 3), "bias_0": -rows[:, None]}
    return {"weights": weights, "algorithm": {"hidden_0": {"age": rows.astype(np.int64)}}, "buffers": {}}


def test_leaves_have_paths_and_come_sorted_at_each_level():
    found = list(tree.leaves(made([1])))
    assert [path for path, _ in found] == ["/algorithm/hidden_0/age", "/weights/bias_0", "/weights/weight_0"]
    assert found[0][1].tolist() == [1]
    assert list(tree.leaves({"b": 2, "a": 1})) == list(tree.leaves({"a": 1, "b": 2}))


def test_each_walks_several_trees_of_the_same_keys():
    sums = tree.each(lambda a, b, c: a + b * c, made([1]), made([10]), made([2]))
    one, ten, two = (made([run])["weights"]["weight_0"] for run in (1, 10, 2))
    assert np.array_equal(sums["weights"]["weight_0"], one + ten * two) and sums["buffers"] == {}
    with pytest.raises(KeyError, match="algorithm"):
        tree.each(lambda a, b: a, made([1]), {"weights": made([1])["weights"]})


def test_runs_are_joined_and_taken_apart():
    whole = tree.joined([made([3, 4]), made([5])])
    for r, run in enumerate((3, 4, 5)):
        own = tree.run_of(whole, r)
        for (path, mine), (same, other) in zip(tree.leaves(own), tree.leaves(made([run])), strict=True):
            assert path == same and np.array_equal(mine, other) and mine.flags.c_contiguous
    one = made([7])
    copy = tree.joined([one])
    copy["weights"]["bias_0"][:] = 0
    assert one["weights"]["bias_0"][0] == -7


def test_single_runs_are_stacked_along_a_new_axis():
    singles = [tree.each(lambda array: array[0], made([run])) for run in (3, 8)]
    for (_, mine), (_, other) in zip(
        tree.leaves(tree.stacked(singles)), tree.leaves(made([3, 8])), strict=True
    ):
        assert np.array_equal(mine, other)


def test_numbers_are_copies_on_the_host():
    tensors = tree.each(torch.tensor, made([2]))
    tensors["weights"]["bias_0"].requires_grad_()
    found = tree.numbers(tensors)
    found["weights"]["bias_0"][:] = 9
    assert tensors["weights"]["bias_0"].item() == -2
    assert np.array_equal(found["weights"]["weight_0"], made([2])["weights"]["weight_0"])

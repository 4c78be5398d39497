"""The fast path of small fully connected networks equals the definition, and refuses what it does not know."""

from __future__ import annotations

import courses
import numpy as np
import pytest

from perennial import procedures
from perennial.learning import engines, tree

NETWORKS = {
    "residual": {"hidden": [9, 9, 9]},
    "first layers differ": {"hidden": [7, 9, 9]},
    "plain, tanh": {"hidden": [8, 6], "residual": False, "activation": "tanh"},
    "residual, tanh": {"hidden": [8, 8], "activation": "tanh"},
    "logistic": {"hidden": []},
}
ALGORITHMS = {
    "adam": courses.ADAM,
    "adam, decay": {**courses.ADAM, "weight_decay": 0.01, "beta_1": 0.5},
    "descent": {"name": "backprop", "step_size": 0.1},
    "momentum": {"name": "backprop", "step_size": 0.1, "momentum": 0.9},
}
MEASURES = {"test_loss": 10, "train_accuracy": 10}


def settings(network: str, algorithm: str, precision: str = "float64", length: int = 31) -> dict:
    own, loop = {"name": "residual_mlp", **NETWORKS[network]}, {"name": "supervised", "batch_size": 20}
    return courses.settings(loop, own, MEASURES, length, algorithm=ALGORITHMS[algorithm], precision=precision)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("network", NETWORKS)
def test_it_equals_the_definition(network, algorithm):
    one, other = (
        courses.begin(settings(network, algorithm), engine=engine) for engine in ("stacked", "dense")
    )
    for course in (one, other):
        courses.finish(course)
    for (path, a), (there, b) in zip(tree.leaves(one.state()), tree.leaves(other.state()), strict=True):
        assert path == there and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=path)
    for x, y in zip(one.results(), other.results(), strict=True):
        np.testing.assert_allclose(x.values, y.values, rtol=1e-9)


def test_a_run_does_not_depend_on_its_neighbours_and_is_cut_anywhere():
    own = settings("residual", "adam", "float32")
    whole, alone, cut = (courses.begin(own, seeds, "dense") for seeds in (courses.SEEDS, [1], courses.SEEDS))
    pieces = whole.pieces()
    next(pieces)
    next(pieces)
    cut.restore(whole.snapshot())
    for course in (whole, alone, cut):
        courses.finish(course)
    assert courses.equal(whole, cut)
    pairs = zip(tree.leaves(whole.state()), tree.leaves(alone.state()), strict=True)
    assert all(np.array_equal(a[1:2], b) for (_, a), (_, b) in pairs)


@pytest.mark.parametrize(
    ("network", "algorithm", "line"),
    [
        ({"name": "conv1d"}, courses.ADAM, "no fast path for network 'conv1d'"),
        (
            {"name": "residual_mlp", "hidden": [4]},
            {"name": "l2", "step_size": 0.1, "weight_decay": 0.1},
            "no file in",
        ),
    ],
)
def test_it_refuses_what_it_does_not_know(network, algorithm, line):
    own = courses.settings(
        {"name": "supervised", "batch_size": 20}, network, MEASURES, 5, algorithm=algorithm
    )
    assert line in engines.fits("dense", procedures.need(own))
    assert engines.choose(procedures.need(own)) == "stacked"


def test_it_is_chosen_where_it_fits():
    assert engines.choose(procedures.need(settings("residual", "adam"))) == "dense"

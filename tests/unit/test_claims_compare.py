"""A user's own algorithm against the others: which are compared, intervals, Holm, verdicts."""

from __future__ import annotations

import numpy as np
import pytest
import the_studies
from scipy import stats

from perennial.claims import judging
from perennial.claims.compare import compare, holm, own_variants, paired_p
from perennial.claims.data import Curves, Variant

CLAIMS = the_studies.claims("permuted_digits")
TASKS = np.arange(1.0, 101.0)
NETWORK = {"name": "mlp", "hidden": [100, 100, 100]}


def results(n=8, network=None, draw=0, **levels):
    """`levels`: variant -> (algorithm, level); shared seed noise, a little noise of each variant's own."""
    rng = np.random.default_rng(draw)
    shared = rng.normal(size=(n, 1)) * 5
    made = {}
    for variant, (algorithm, level) in levels.items():
        values = level + shared + 0.5 * rng.normal(size=(n, 1)) + np.zeros((n, len(TASKS)))
        network_of = (network or {}).get(variant, NETWORK)
        made[variant] = Variant(
            {"online_accuracy": Curves(np.arange(n), TASKS, values, "percent", "task")},
            {"algorithm": {"name": algorithm}, "network": network_of},
        )
    return made


STUDY = {"backprop": ("backprop", 60.0), "l2": ("l2", 70.0), "cbp": ("cbp", 80.0)}


def test_holm_by_hand():
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, then made monotone: .04 .06 .06 .06
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03] and holm([]) == []


def test_only_the_same_problem_is_compared():
    given = results(my_method=("my_method", 75.0), **STUDY)
    for variant, problem, tasks in (
        ("l2", "other", 100),
        ("cbp", "digits", 99),
        ("my_method", "digits", 100),
    ):
        settings = {**given[variant].settings, "problem": {"name": problem}, "length": tasks}
        given[variant] = Variant(given[variant].metrics, settings)
    same = {**given["backprop"].settings, "problem": {"name": "digits"}, "length": 100}
    given["backprop"] = Variant(given["backprop"].metrics, same)
    assert [row["id"] for row in compare(CLAIMS, given)] == ["my_method vs backprop"]


def test_rows():
    given = results(my_method=("my_method", 75.0), **STUDY)
    rows = compare(CLAIMS, given)
    assert [row["id"] for row in rows] == ["my_method vs backprop", "my_method vs l2", "my_method vs cbp"]
    assert [row["verdict"] for row in rows] == ["better", "better", "worse"]
    assert all(row["family"] == 3 for row in rows)
    first = rows[0]
    a, b = (
        given[v].metrics["online_accuracy"].values[:, 50:].mean(axis=1) for v in ("my_method", "backprop")
    )
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(0.95)
    assert first["p"] == pytest.approx(test.pvalue, rel=1e-9)
    assert (first["low"], first["high"]) == pytest.approx((low, high), rel=1e-9)
    assert first["estimate"] == pytest.approx((a - b).mean())
    assert sorted(row["p_holm"] for row in rows) == sorted(holm([row["p"] for row in rows]))


def test_lower_is_better_for_errors():
    claims = CLAIMS.model_copy(update={"headline": CLAIMS.headline.model_copy(update={"better": "lower"})})
    rows = compare(claims, results(my_method=("my_method", 75.0), **STUDY))
    assert [row["verdict"] for row in rows] == ["worse", "worse", "better"]


def test_no_difference_is_not_made_up():
    rows = compare(CLAIMS, results(draw=1, my_method=("my_method", 60.0), **STUDY))
    assert rows[0]["verdict"] == "no difference shown" and "p =" in rows[0]["reason"]


def test_noise_is_seldom_called_a_difference():
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        made = {}
        for variant in ("mine", "backprop", "l2", "cbp"):
            values = rng.normal(size=(10, 100))
            settings = {"algorithm": {"name": variant}, "network": NETWORK}
            made[variant] = Variant({"online_accuracy": Curves(np.arange(10), TASKS, values)}, settings)
        found += any(row["verdict"] != "no difference shown" for row in compare(CLAIMS, made))
    assert found <= 10  # family-wise 5 percent


@pytest.mark.parametrize("n", [1, 2])
def test_few_seeds_show_no_difference(n):
    rows = compare(CLAIMS, results(n=n, my_method=("my_method", 1e6), **STUDY))
    assert {row["verdict"] for row in rows} == {"no difference shown"}


def test_only_the_same_network_is_compared():
    other = {"l2": {"name": "mlp", "hidden": [7]}}
    rows = compare(CLAIMS, results(network=other, my_method=("my_method", 75.0), **STUDY))
    assert [row["other"] for row in rows] == ["backprop", "cbp"]


def test_algorithms_of_the_study_are_not_own():
    given = results(
        l2_big=("l2", 1.0), cbp_fast=("cbp", 1.0), mine_a=("mine", 2.0), mine_b=("mine", 3.0), **STUDY
    )
    assert own_variants(given) == ["mine_a", "mine_b"]
    pairs = {(row["variant"], row["other"]) for row in compare(CLAIMS, given)}
    assert ("mine_a", "mine_b") not in pairs and len(pairs) == 2 * 5


def test_two_own_algorithms_meet_once():
    rows = compare(CLAIMS, results(mine=("mine", 1.0), yours=("yours", 2.0), backprop=("backprop", 3.0)))
    assert [row["id"] for row in rows] == ["mine vs yours", "mine vs backprop", "yours vs backprop"]


def test_equal_runs():
    assert paired_p(np.zeros(5)) == 1.0 and paired_p(np.ones(5)) == 0.0
    assert paired_p(np.array([1.0])) is None and paired_p(np.array([1.0, np.nan, 2.0])) is None


def test_the_rows_are_part_of_the_verdicts():
    found = judging.verdicts(CLAIMS, results(my_method=("my_method", 75.0), **STUDY))
    assert found["comparisons"][0]["id"] == "my_method vs backprop"
    assert found["headline"] == {
        "metric": "online_accuracy",
        "window": "last 50 tasks",
        "better": "higher",
        "units": "percent",
    }

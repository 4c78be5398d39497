"""Statistics of claims: windows, pairing, cross-fitted extrema, clipped published curves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from the_studies import published

from perennial.claims.data import Curves, Variant
from perennial.claims.reference import published_value
from perennial.claims.statement import Claims
from perennial.claims.statistic import describe, evaluate
from perennial.claims.windows import NotRun, published_place

X = np.arange(0, 3_000_000, 40_000, dtype=float)
CLAIMS = Claims.model_validate(
    {
        "experiment": "e",
        "title": "t",
        "figure": "ed_fig_2b",
        "curves": published,
        "series": {"linear_0.003": "linear"},
        "headline": {"metric": "error", "window": "end", "better": "lower"},
        "windows": {
            "end": {"from": 2_600_000, "to": 3_000_000, "text": "end"},
            "first": {"from": 0, "to": 40_000, "text": "first"},
            "last_two": {"last": 2, "text": "last two"},
            "low": {"extremum": "minimum", "place": "other_half", "width": 3, "text": "low"},
            "high": {"extremum": "maximum", "place": "other_half", "width": 3, "text": "high"},
            "published_low": {
                "extremum": "minimum",
                "place": "published",
                "width": 3,
                "relative_to": "linear",
                "text": "published low",
            },
        },
    }
)


def results(x=X, **variants):
    """Variants given as arrays [seed, point], or as (seeds, array)."""
    made = {}
    for name, given in variants.items():
        seeds, values = given if isinstance(given, tuple) else (np.arange(len(given)), given)
        made[name] = Variant(
            {"error": Curves(np.asarray(seeds), x[: values.shape[1]], values, "u", "example")}
        )
    return made


def test_windows_are_means_of_their_points():
    values = np.arange(150.0).reshape(2, 75)
    sample = evaluate("a @ end", CLAIMS, results(a=values))
    assert list(sample.values) == [values[0, 65:].mean(), values[1, 65:].mean()]
    assert list(evaluate("a @ first", CLAIMS, results(a=values)).values) == [0.0, 75.0]
    assert list(evaluate("a @ last_two", CLAIMS, results(a=values)).values) == [73.5, 148.5]
    assert sample.units == "u"


def test_a_shorter_stream_is_another_claim():
    short = results(a=np.zeros((5, 74)))
    with pytest.raises(NotRun, match="needs end; the runs of this scale end at example 2,960,000"):
        evaluate("a @ end", CLAIMS, short)
    with pytest.raises(NotRun):
        evaluate("a @ end", CLAIMS, results(a=np.zeros((5, 10))))


def test_tasks_count_from_one():
    claims = CLAIMS.model_copy(
        update={
            "windows": CLAIMS.windows
            | {"end": CLAIMS.windows["end"].model_copy(update={"start": 951.0, "stop": 1001.0})}
        }
    )
    x = np.arange(1.0, 1001.0)
    given = {"a": Variant({"error": Curves(np.arange(2), x, np.tile(x, (2, 1)), "", "task")})}
    assert evaluate("a @ end", claims, given).values[0] == np.arange(951, 1001).mean()
    given = {"a": Variant({"error": Curves(np.arange(2), x[:999], np.tile(x[:999], (2, 1)), "", "task")})}
    with pytest.raises(NotRun, match="end at task 999"):
        evaluate("a @ end", claims, given)
    for every_tenth in (np.arange(10.0, 1001.0, 10), np.arange(1.0, 1000.0, 10)):
        given = {
            "a": Variant(
                {"error": Curves(np.arange(2), every_tenth, np.tile(every_tenth, (2, 1)), "", "task")}
            )
        }
        assert len(evaluate("a @ end", claims, given).values) == 2


def test_points_are_counted_whatever_their_coordinates():
    window = {"points": [2, 3], "text": "points 2 and 3"}
    claims = Claims.model_validate({**CLAIMS.model_dump(by_alias=True), "windows": {"end": window}})
    values = np.arange(10.0).reshape(2, 5)
    for x in (X[:5], np.array([1.0, 7, 8, 90, 91])):
        assert list(evaluate("a @ end", claims, results(x, a=values)).values) == [1.5, 6.5]
    with pytest.raises(NotRun, match="needs points 2 and 3; the runs of this scale have 2 points"):
        evaluate("a @ end", claims, results(a=values[:, :2]))


def recorded(**settings):
    """Three seeds of a variant with these settings."""
    curve = Curves(np.arange(3), X[:2], np.ones((3, 2)))
    return {"a": Variant({"error": curve}, settings)}


def test_recorded_settings_and_numbers_make_arithmetic():
    given = recorded(algorithm={"name": "cbp", "rate": 1e-6}, network={"hidden": [2000, 500]})
    interval = {"ratio": [{"ratio": [1, "a algorithm.rate"]}, "a network.hidden.1"]}
    sample = evaluate(interval, CLAIMS, given)
    assert sample.values == pytest.approx([2000] * 3) and list(sample.seeds) == [0, 1, 2]
    assert describe(interval, CLAIMS) == (
        "[1 divided by algorithm.rate of a] divided by network.hidden.1 of a"
    )
    assert published_value(interval, CLAIMS) is None
    for key in ("algorithm.name", "algorithm.rates", "network.hidden.2", "network.hidden"):
        with pytest.raises(NotRun, match=f"no number as its setting {key}"):
            evaluate(f"a {key}", CLAIMS, given)
    with pytest.raises(NotRun, match="variant b has no results"):
        evaluate("b algorithm.rate", CLAIMS, given)


def test_each_metric_has_its_own_digitised_figures():
    more = {"rank": ["arxiv_utility_ablation", "ed_fig_2b"]}
    claims = CLAIMS.model_copy(update={"figures": {key: tuple(names) for key, names in more.items()}})
    assert published_value("relu_0.003 rank @ first", claims) == published_value("relu_0.003 @ first", CLAIMS)
    assert published_value("relu_0.003 other @ first", claims) is None
    assert claims.digitised("error") == ("ed_fig_2b",)


def test_published_points_that_lie_unevenly_are_weighted():
    """Tasks 1 to 20, then every tenth: a plain mean would count the first twenty tasks ten times."""
    claims = Claims.model_validate(
        {
            "experiment": "e", "title": "t", "figure": "ed_fig_3b_step_size", "curves": published,
            "headline": {"metric": "m", "window": "all", "better": "higher"},
            "windows": {"all": {"from": 1, "to": 801, "text": "all"}},
        }
    )  # fmt: skip
    line = published.curve("ed_fig_3b_step_size", "backprop_0.01")
    bridged = np.interp(np.arange(1, 801), line.x, line.mean).mean()
    value, _ = published_value("backprop_0.01 @ all", claims)
    assert value == pytest.approx(bridged, abs=0.01) and abs(line.mean.mean() - bridged) > 0.4


def test_differences_are_paired_by_seed_not_by_place():
    a = (np.array([1, 3, 5]), np.tile([[1.0], [3.0], [5.0]], (1, 75)))
    b = (np.array([0, 3, 5, 7]), np.tile([[100.0], [30.0], [50.0], [100.0]], (1, 75)))
    sample = evaluate({"difference": ["a @ end", "b @ end"]}, CLAIMS, results(a=a, b=b))
    assert list(sample.seeds) == [3, 5] and list(sample.values) == [-27.0, -45.0]
    assert list(evaluate({"ratio": ["b @ end", "a @ end"]}, CLAIMS, results(a=a, b=b)).values) == [10.0, 10.0]


def test_pairing_takes_the_shared_noise_away():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(30, 1)) * 10
    a, b = shared + 1 + rng.normal(size=(30, 75)) * 0.01, shared + rng.normal(size=(30, 75)) * 0.01
    values = evaluate({"difference": ["a @ end", "b @ end"]}, CLAIMS, results(a=a, b=b)).values
    assert values.std() < 0.1 and values.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("expression", "words"),
    [("b @ end", "variant b has no results"), ("a other @ end", "variant a has no metric other")],
)
def test_what_is_missing_is_named(expression, words):
    with pytest.raises(NotRun, match=words):
        evaluate(expression, CLAIMS, results(a=np.zeros((2, 75))))


def test_no_seed_in_common():
    given = results(a=(np.array([0, 1]), np.zeros((2, 75))), b=(np.array([2, 3]), np.zeros((2, 75))))
    with pytest.raises(NotRun, match="no seed in common"):
        evaluate({"difference": ["a @ end", "b @ end"]}, CLAIMS, given)


def test_the_extremum_is_placed_by_the_other_half():
    values = np.zeros((4, 75))
    values[::2, 10] = -9  # the even seeds are lowest at 10,
    values[1::2, 50] = -9  # the odd ones at 50: neither is low where the other half says
    sample = evaluate("a @ low", CLAIMS, results(a=values))
    assert list(sample.values) == [0, 0, 0, 0]
    places = sample.places["a, low"]
    assert abs(places[0] - X[50]) <= 40_000 and abs(places[1] - X[10]) <= 40_000


def test_a_real_minimum_is_found():
    curve = abs(np.arange(75) - 20) / 75
    sample = evaluate({"difference": ["a @ end", "a @ low"]}, CLAIMS, results(a=np.tile(curve, (6, 1))))
    assert np.allclose(sample.values, curve[65:].mean() - curve[19:22].mean())


def test_one_seed_has_no_other_half():
    with pytest.raises(NotRun, match="no other half"):
        evaluate("a @ low", CLAIMS, results(a=np.zeros((1, 75))))


@pytest.mark.parametrize("place", ["low", "high"])
def test_cross_fit_has_no_selection_bias_on_flat_noise(place):
    """The naive extremum of the same seeds is off by about 0.4 here; the cross-fitted one by nothing."""
    rng = np.random.default_rng(7)
    found, naive = [], []
    for _ in range(150):
        noise = rng.normal(size=(10, 75))
        rise = evaluate({"difference": ["a @ end", f"a @ {place}"]}, CLAIMS, results(a=noise)).values
        found.append(rise.mean())
        smooth = np.convolve(noise.mean(axis=0), np.ones(3) / 3, mode="valid")
        naive.append(noise[:, 65:].mean() - (smooth.min() if place == "low" else smooth.max()))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 3.5 * error
    assert abs(np.mean(naive)) > 20 * error  # the test could fail


def test_cross_fitted_intervals_keep_their_level_on_flat_noise():
    rng = np.random.default_rng(8)
    outside = 0
    for _ in range(400):
        noise = rng.normal(size=(30, 75))
        values = evaluate({"difference": ["a @ end", "a @ low"]}, CLAIMS, results(a=noise)).values
        outside += stats.ttest_1samp(values, 0).pvalue < 0.05
    assert outside / 400 < 0.08


def test_spread_is_chosen_on_the_other_half():
    rng = np.random.default_rng(3)
    expression = {"spread": ["a @ end", "b @ end", "c @ end"]}
    means = []
    for _ in range(100):
        noise = {name: rng.normal(size=(10, 75)) for name in "abc"}
        means.append(evaluate(expression, CLAIMS, results(**noise)).values.mean())
    assert abs(np.mean(means)) < 3.5 * np.std(means, ddof=1) / 10
    levels = {name: np.full((4, 75), level) for name, level in zip("abc", (1.0, 5.0, 2.0), strict=True)}
    assert list(evaluate(expression, CLAIMS, results(**levels)).values) == [4.0] * 4


def test_published_place_takes_the_shared_ups_and_downs_off():
    window = CLAIMS.windows["published_low"]
    assert published_place("sigmoid_0.001", "error", window, CLAIMS) == 16 * 40_000
    plain = window.model_copy(update={"relative_to": None})
    assert (
        published_place("sigmoid_0.001", "error", plain, CLAIMS) == 35 * 40_000
    )  # where linear dips as well
    assert published_place("no_such", "error", window, CLAIMS) is None
    values = np.tile(np.arange(75.0), (3, 1))
    assert (
        list(evaluate("tanh_0.01 @ published_low", CLAIMS, results(**{"tanh_0.01": values})).values)
        == [1.0] * 3
    )


def test_published_values_of_clipped_curves_are_bounds():
    value, bound = published_value("relu_0.01 @ end", CLAIMS)
    assert bound == ">" and 1.19 < value < 1.2
    assert published_value("swish_0.01 @ end", CLAIMS) == (pytest.approx(1.2), ">")
    value, bound = published_value({"difference": ["linear_0.003 @ end", "relu_0.01 @ end"]}, CLAIMS)
    assert bound == "<" and value == pytest.approx(-0.369, abs=0.001)
    both = {"difference": ["swish_0.01 @ end", "relu_0.01 @ end"]}
    assert published_value(both, CLAIMS) is None  # two bounds say nothing about their difference
    value, bound = published_value("elu_0.01 @ end", CLAIMS)
    assert bound == "" and value == pytest.approx(0.73, abs=0.005)
    assert published_value("relu_cbp_1e-4 @ end", CLAIMS) is None

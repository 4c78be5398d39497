"""The verdict rule: intervals against bands, and many parts against one claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perennial.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    REPRODUCED,
    Interval,
    Judged,
    Verdict,
    combine,
    interval,
    judge_interval,
    seeds_needed,
)

OPEN = math.inf


def test_interval_by_hand():
    # 1, 2, 3, 4: mean 2.5, sd sqrt(5/3), se sqrt(5/12), t(0.975, 3) = 3.182446305284263
    found = interval(np.array([4.0, 1.0, 3.0, 2.0]))
    assert (found.n, found.estimate) == (4, 2.5)
    assert found.sd == pytest.approx(math.sqrt(5 / 3), rel=1e-15)
    half = 3.182446305284263 * math.sqrt(5 / 12)
    assert found.low == pytest.approx(2.5 - half, rel=1e-12)
    assert found.high == pytest.approx(2.5 + half, rel=1e-12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
@settings(max_examples=30, deadline=None)
def test_interval_agrees_with_scipy(values):
    found = interval(np.array(values))
    if found.sd > 1e-9:  # scipy has no interval for equal values
        expected = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values))
        assert (found.low, found.high) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_one_and_no_seed():
    one = interval(np.array([2.0]))
    assert one.n == 1 and one.estimate == 2.0 and math.isnan(one.low)
    assert interval(np.empty(0)).n == 0


@pytest.mark.parametrize(
    ("low", "high", "band", "verdict"),
    [
        (0.81, 0.84, (0.806, 0.846), REPRODUCED),
        (0.80, 0.84, (0.806, 0.846), INCONCLUSIVE),
        (0.85, 0.90, (0.806, 0.846), CONTRADICTED),
        (0.70, 0.80, (0.806, 0.846), CONTRADICTED),
        (0.70, 0.90, (0.806, 0.846), INCONCLUSIVE),  # wider than the band
        (1.15, 9.00, (1.14, OPEN), REPRODUCED),  # one-sided: far above is as good
        (1.13, 1.30, (1.14, OPEN), INCONCLUSIVE),
        (1.00, 1.13, (1.14, OPEN), CONTRADICTED),
        (-9.0, -0.03, (-OPEN, -0.02), REPRODUCED),
        (-0.01, 0.03, (-OPEN, -0.02), CONTRADICTED),
        (0.02, 0.03, (0.02, OPEN), REPRODUCED),  # touching from inside
    ],
)
def test_interval_against_band(low, high, band, verdict):
    found = Interval(10, (low + high) / 2, low, high, sd=0.1)
    assert judge_interval(found, band).verdict == verdict


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=2), st.floats(-1, 1), st.floats(0, 2))
@settings(max_examples=200, deadline=None)
def test_fewer_than_three_seeds_never_reproduce(values, low, width):
    verdict = judge_interval(interval(np.array(values)), (low, low + width))
    assert verdict.verdict != REPRODUCED


def test_two_equal_seeds_in_the_middle_do_not_reproduce():
    verdict = judge_interval(interval(np.array([0.83, 0.83])), (0.8, 0.85))
    assert verdict.verdict == INCONCLUSIVE
    assert "fewer than 3" in verdict.reason and verdict.needed_n == 3


def test_a_seed_that_is_not_finite_leaves_the_claim_open():
    for bad in (np.nan, np.inf):
        verdict = judge_interval(interval(np.array([1.0, 1.0, 1.0, bad])), (-OPEN, 5.0))
        assert verdict.verdict == INCONCLUSIVE and "not finite" in verdict.reason


def test_the_band_does_not_depend_on_n():
    few, many = np.tile([0.80, 0.86], 5), np.tile([0.80, 0.86], 500)
    band = (0.806, 0.846)
    assert judge_interval(interval(few), band).verdict == INCONCLUSIVE
    assert judge_interval(interval(many), band).verdict == REPRODUCED


@given(st.floats(0.01, 5), st.floats(0.01, 2))
@settings(max_examples=50, deadline=None)
def test_seeds_needed_is_the_smallest_that_clears(sd, gap):
    n = seeds_needed(Interval(5, gap, -9, 9, sd), (0.0, OPEN))
    half = lambda n: stats.t.ppf(0.975, n - 1) * sd / math.sqrt(n)  # noqa: E731
    assert half(n) <= gap
    assert n == 3 or half(n - 1) > gap


def test_seeds_needed_by_hand():
    # sd 1, gap 0.5: n = 18 gives 2.1098 / sqrt(18) = 0.4973, n = 17 gives 2.1199 / sqrt(17) = 0.5142
    assert seeds_needed(Interval(5, 0.5, -1, 2, 1.0), (0.0, OPEN)) == 18


def test_none_would_settle_an_estimate_on_the_edge():
    verdict = judge_interval(Interval(30, 0.02, 0.0, 0.04, 0.05), (0.02, OPEN))
    assert verdict.needed_n is None and verdict.needed.startswith("none would")


def part(estimate, half=0.1, band=(0.0, OPEN), n=10, label="part"):
    se = half / float(stats.t.ppf(0.975, n - 1))
    found = Interval(n, estimate, estimate - half, estimate + half, se * math.sqrt(n))
    return Judged(label, judge_interval(found, band), found, band)


def absent():
    return Judged("absent", Verdict(NOT_RUN, "variant x has no results"))


GOOD, BETTER, OPENED, BAD, WORSE = part(1.0), part(2.0), part(0.05), part(-1.0), part(-2.0)


@pytest.mark.parametrize(
    ("parts", "verdict", "binding"),
    [
        ([BETTER, GOOD], REPRODUCED, 1),
        ([GOOD, OPENED, BETTER], INCONCLUSIVE, 1),
        ([GOOD, BAD, OPENED], CONTRADICTED, 1),
        ([BAD, WORSE], CONTRADICTED, 1),
        ([GOOD, absent()], INCONCLUSIVE, 0),
        ([BAD, absent()], CONTRADICTED, 0),
        ([absent(), absent()], NOT_RUN, None),
        ([OPENED], INCONCLUSIVE, 0),
    ],
)
def test_conjunctions(parts, verdict, binding):
    found, index = combine(parts)
    assert (found.verdict, index) == (verdict, binding)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ([GOOD, GOOD, BAD], REPRODUCED),
        ([GOOD, BAD], CONTRADICTED),  # half is not most
        ([GOOD, OPENED, BAD], INCONCLUSIVE),
        ([GOOD, GOOD, absent()], INCONCLUSIVE),
        ([BAD, BAD, absent()], CONTRADICTED),
        ([BAD, absent(), absent(), absent()], INCONCLUSIVE),
    ],
)
def test_most(parts, verdict):
    assert combine(parts, "most")[0].verdict == verdict


def test_an_open_conjunction_needs_its_slowest_part():
    slow, fast = part(0.05), part(0.09)
    found, _ = combine([GOOD, slow, fast])
    assert found.needed_n == slow.verdict.needed_n > fast.verdict.needed_n
    assert "1 of 3 parts reproduced" in found.reason and "2 open" in found.reason


def test_one_part_outside_would_settle_it_alone():
    outside, inside = part(-0.05), part(0.01)
    found, index = combine([inside, outside])
    assert found.needed_n == outside.verdict.needed_n and index == 1


def test_missing_parts_are_not_mended_by_seeds():
    found, _ = combine([GOOD, absent()])
    assert found.needed_n is None and "missing parts" in found.needed
    assert "1 not run" in found.reason

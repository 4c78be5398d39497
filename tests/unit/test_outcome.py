"""What a course leaves behind: of real runs, joined in any grouping, and the digest of a last state."""

from __future__ import annotations

import numpy as np
from fidelity import support
from fidelity.support import REGRESSION

from perennial.jobs import outcome
from perennial.jobs.outcome import Outcome
from perennial.procedures import Series

MEASURES = {"squared_error": {"every": 1}, "dead_units": {"every": 2}}


def course(seeds: list[int]):
    """Three short tasks of the regression, learnt to the end."""
    settings = support.variant(REGRESSION, support.hyper("cbp"), flip_every=20, length=3, measures=MEASURES)
    runs = support.stream(settings, seeds, "stacked")
    support.finish(runs)
    return runs


def test_the_outcome_is_the_course_s_state_and_results():
    runs = course([1, 2])
    found = outcome.of(runs)
    assert [one.name for one in found.series] == list(MEASURES)
    assert support.same_bits(found.state, runs.learner.state())
    assert [len(one.values) for one in found.series] == [2, 2]


def test_groups_that_are_joined_are_one_group():
    whole, parts = outcome.of(course([1, 2, 3])), [outcome.of(course(seeds)) for seeds in ([1], [2, 3])]
    joined = outcome.join(parts)
    assert outcome.join([whole]) is whole
    assert [outcome.digest(joined.state, r) for r in range(3)] == [
        outcome.digest(whole.state, r) for r in range(3)
    ]
    for one, other in zip(joined.series, whole.series, strict=True):
        assert (one.name, one.axis, one.units, one.ragged) == (other.name, other.axis, other.units, False)
        assert all(np.array_equal(a, b) for a, b in zip(one.values, other.values, strict=True))
        assert [points.tolist() for points in one.positions] == [
            points.tolist() for points in other.positions
        ]


def test_ragged_series_keep_the_points_of_each_run():
    def of(*ends: list[int]) -> Outcome:
        positions = [np.array(own) for own in ends]
        one = Series("r", "step", positions, [p * 2.0 for p in positions], "", "", "", ragged=True)
        return Outcome([one], {"weights": {"w": np.zeros((len(ends), 1))}})

    (found,) = outcome.join([of([1, 2, 3]), of([5], [4, 9])]).series
    assert [points.tolist() for points in found.positions] == [[1, 2, 3], [5], [4, 9]]
    assert [points.tolist() for points in found.values] == [[2, 4, 6], [10], [8, 18]]


def test_a_digest_tells_values_names_types_and_runs_apart():
    state = {"weights": {"w": np.arange(6.0).reshape(2, 3)}, "buffers": {}}

    def of(weights: dict[str, np.ndarray]) -> str:
        return outcome.digest({**state, "weights": weights}, 0)

    own = outcome.digest(state, 0)
    w = state["weights"]["w"]
    nudged = w.copy()
    nudged[0, 1] = np.nextafter(1.0, 2)
    others = [outcome.digest(state, 1), of({"v": w}), of({"w": w.astype(np.float32)}), of({"w": nudged})]
    assert len({own, *others}) == 5
    assert own == of({"w": w.copy()}) == outcome.digest({"buffers": {}, "weights": {"w": w[:1]}}, 0)
    assert own == of({"w": np.asfortranarray(w)})  # the layout in memory is nothing

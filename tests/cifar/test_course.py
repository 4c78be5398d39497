"""Classes that join: cuts, the best weights, scores, heads, resets."""

from __future__ import annotations

import numpy as np
import pytest
from cifar import small
from fidelity import support

from perennial import registry
from perennial.learning import tree
from perennial.procedures.hooks import schedule
from perennial.settings import Unfit

CBP = {
    "name": "cbp", "step_size": 0.1, "momentum": 0.9, "weight_decay": 0.005, "replacement_rate": 0.2,
    "maturity_threshold": 3, "utility": "contribution", "count": "layer_width",
}  # fmt: skip


def walked(own, data, seeds=(1, 2)):
    course = small.course(own, list(seeds), data)
    list(course.pieces())
    return course


def same(one, other) -> None:
    assert support.same_bits(one.state(), other.state())
    for a, b in zip(one.results(), other.results(), strict=True):
        assert a.name == b.name
        for x, y in zip(a.values, b.values, strict=True):
            assert np.array_equal(x, y, equal_nan=True), a.name


@pytest.mark.parametrize("algorithm", [small.L2, CBP], ids=["l2", "cbp"])
def test_a_cut_anywhere_changes_nothing(algorithm, data, monkeypatch):
    """Momentum, running statistics, best weights and tests are all in the snapshot."""
    from perennial.learning.engines import stacked

    monkeypatch.setattr(stacked, "PIECE", 2)
    own = small.settings(algorithm)
    whole, course, cuts = walked(own, data), small.course(own, [1, 2], data), 0
    while course.tasks < 2:
        next(course.pieces())
        kept = tree.each(np.copy, course.snapshot())
        course, cuts = small.course(own, [1, 2], data), cuts + 1
        course.restore(kept)
        assert support.same_bits(kept, course.snapshot())
    same(whole, course)
    assert cuts > 5


def test_a_run_does_not_depend_on_its_neighbours(data):
    both, alone = walked(small.settings(CBP), data), walked(small.settings(CBP), data, [2])
    assert support.same_bits(tree.run_of(both.state(), 1), alone.state())
    for a, b in zip(both.results(), alone.results(), strict=True):
        assert np.array_equal(a.values[1], b.values[0], equal_nan=True)


def test_at_the_end_of_a_task_weights_and_statistics_are_those_of_the_best_pass(data):
    own = small.settings(procedure={"epochs": 6})
    course, states, values = small.course(own, [1, 2], data), [], []
    measure = registry.module("measures", "test_accuracy").measure
    for _ in course.pieces():
        if course.tasks == 1:
            break
        if course.step % course.problems[0].steps(0, 8) == 0:
            states.append(course.state())
            values.append([measure(course.learner.predict(r, course.problems[r].validation(0)[0])[:, :2],
                                   course.problems[r].validation(0)[1]) for r in range(2)])  # fmt: skip
    # the last pass is tested and the task closed in one go: only earlier ones are seen here
    kept = course.state()
    for r in range(2):
        best = int(np.argmax([row[r] for row in values]))
        before = max(row[r] for row in values)
        for kind in ("weights", "buffers"):
            found, expected = tree.run_of(kept[kind], r), tree.run_of(states[best][kind], r)
            equal = all(np.array_equal(found[name], expected[name]) for name in found)
            now = measure(course.learner.predict(r, course.problems[r].validation(0)[0])[:, :2],
                          course.problems[r].validation(0)[1])  # fmt: skip
            assert equal or now > before
        velocity = kept["optimiser"]["velocity"]["weight_0"][r]
        assert (velocity != 0).any()
    left = walked(small.settings(procedure={"best_weights": "not_restored", "epochs": 6}), data)
    assert left.tasks == 2


@pytest.mark.parametrize("score", ["max_epoch", "at_best_val", "last"])
def test_the_score_of_a_task(score, data):
    course = walked(small.settings(procedure={"score": score, "epochs": 6}), data)
    series = {one.name: one for one in course.results()}
    by_epoch = series["test_accuracy_by_epoch"].values[0]  # [task, test]
    assert series["test_accuracy"].positions[0].tolist() == [2, 4]
    found = series["test_accuracy"].values[0]
    if score == "max_epoch":
        assert (found == by_epoch.max(1)).all()
    elif score == "last":
        assert (found == by_epoch[:, -1]).all()
    else:
        assert all(value in row for value, row in zip(found, by_epoch, strict=True))
    by_class = series["test_accuracy_by_class"].values[0]  # [task, class]
    assert np.isfinite(by_class).sum(1).tolist() == [2, 4]


def opened(own, data):
    """A course whose second task has just been opened, and its state before that."""
    course = small.course(own, [1], data)
    for _ in course.pieces():
        if course.tasks == 1:
            break
    before = tree.each(np.copy, course.state())
    course._open(1)
    return course, before, course.state()


def test_grown_heads_begin_when_their_classes_join(data):
    course, before, after = opened(small.settings(procedure={"heads": "grown"}), data)
    fresh = course.networks.init([1], 0, "float64")
    head = "weight_5"
    assert (after["weights"][head][:, :, 2:4] == fresh[head][:, :, 2:4]).all()
    rest = [k for k in range(100) if k not in (2, 3)]
    assert (after["weights"][head][:, :, rest] == before["weights"][head][:, :, rest]).all()
    assert np.abs(before["weights"][head][:, :, 2:4]).max() < np.abs(fresh[head][:, :, 2:4]).max()
    assert (after["optimiser"]["velocity"][head][:, :, 2:4] == 0).all()
    assert (after["weights"]["weight_0"] == before["weights"]["weight_0"]).all()


@pytest.mark.parametrize("reset", ["head", "network"])
def test_resets_leave_what_the_code_leaves(reset, data):
    """Running statistics and velocities stay; all else of what is reset is new."""
    course, before, after = opened(small.settings(procedure={"reset": reset}), data)
    fresh = course.networks.init([1], 1, "float64")
    for name in before["weights"]:
        new = reset == "network" or name in ("weight_5", "bias_5")
        assert (after["weights"][name] == (fresh if new else before["weights"])[name]).all(), name
    for kind in ("buffers", "optimiser"):
        for (path, a), (_, b) in zip(tree.leaves(before[kind]), tree.leaves(after[kind]), strict=True):
            assert (a == b).all(), path
    _, _, after = opened(small.settings(procedure={"reset": reset, "reset_memory": "fresh"}), data)
    if reset == "network":
        assert (after["buffers"]["mean_0"] == 0).all() and (
            after["optimiser"]["velocity"]["weight_0"] == 0
        ).all()


def test_the_step_size_falls_three_times():
    found = [
        0.1 * schedule.factor(epoch / 200, [0.3, 0.6, 0.8], 0.2)
        for epoch in (0, 59, 60, 119, 120, 159, 160, 199)
    ]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008, 0.0008])


def test_what_a_run_costs_is_what_it_does(data):
    own = small.settings()
    module = registry.module("procedures", "class_increments")
    assert module.cost(own).steps * 2 == small.course(own, [1, 2], data).total
    published = small.settings(
        problem={"classes_per_task": 5, "train_per_class": 450, "validation_per_class": 50, "side": 32},
        network={"widths": [64, 128, 256, 512], "blocks": 2},
        procedure={"epochs": 200, "batch_size": 90},
        rest={"length": 20},
    )
    assert module.cost(published).steps == 1_050_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rest": {"length": 51}}, "51 tasks of 2 classes are asked for, but there are 100 classes"),
        (
            {"problem": {"train_per_class": 490, "validation_per_class": 11}},
            "more than the 500 images of a class",
        ),
        ({"procedure": {"batch_size": 25}}, "batch_size: 25 is more than the 24 examples of the first task"),
        ({"network": {"widths": [2] * 5}}, "5 stages halve images of 8x8 too often"),
        ({"rest": {"measures": {"online_accuracy": {"every": 1}}}}, "online_accuracy: is not taken by"),
    ],
)
def test_what_cannot_be_is_one_line(changes, words, data):
    with pytest.raises(Unfit, match=words) as caught:
        small.course(small.settings(**changes), [1], data)
    assert "\n" not in str(caught.value)


def test_a_run_that_diverges_is_known_although_the_best_weights_come_back(data):
    course = small.course(small.settings({**small.L2, "step_size": 1e20}), [1, 2], data)
    steps = course.total // 2
    first = course.pieces()
    while course.tasks == 0:
        next(first)
    assert (course.diverged > 0).all() and (course.diverged < steps).all()
    seen = course.diverged.copy()
    list(first)
    assert np.array_equal(course.diverged, seen)
    assert (walked(small.settings(), data).diverged == -1).all()

"""Continual ImageNet: which pairs of classes come when, which images a task shows, and what their values are."""

from __future__ import annotations

from collections import Counter
from math import comb

import numpy as np
import pytest

from perennial import datasets, streams
from perennial.jobs import sequences
from perennial.problems import continual_imagenet as problem
from perennial.settings import Unfit

SMALL = {"classes": 6, "train_per_class": 4, "test_per_class": 2}


def pairs(how: str, seed: int, tasks: int, classes: int) -> np.ndarray:
    """[task, 2] of one run."""
    return problem.sequence(problem.Settings(sequence=how, classes=classes), seed, tasks)["classes"]


def unordered(found: np.ndarray) -> list[tuple[int, ...]]:
    """Each pair without regard to which comes first."""
    return [tuple(sorted(pair)) for pair in found.tolist()]


# ---- switches: the sequence


@pytest.mark.parametrize(("classes", "tasks"), [(1000, 5000), (284, 2000), (284, 5000), (7, 15)])
def test_sequence_blockwise_norepeat(classes, tasks):
    found, size = pairs("blockwise_norepeat", 3, tasks, classes), classes // 2
    assert found.shape == (tasks, 2) and found.dtype == np.uint16 and found.max() < classes
    assert len(set(unordered(found))) == tasks
    for first in range(0, tasks, size):
        block = found[first : first + size].ravel()
        assert len(set(block.tolist())) == len(block)  # every class once at most
    assert set(found[:size].ravel().tolist()) == set(range(classes)) or classes % 2


def test_sequence_iid_norepeat():
    found = pairs("iid_norepeat", 3, 5000, 1000)
    assert (
        found.shape == (5000, 2) and len(set(unordered(found))) == 5000 and (found[:, 0] != found[:, 1]).all()
    )
    assert len(set(found[:500].ravel().tolist())) < 700  # 1,000 (1 - 1/e) = 632 expected, 1,000 in blocks
    every = pairs("iid_norepeat", 0, comb(30, 2), 30)
    assert set(unordered(every)) == {(a, b) for b in range(30) for a in range(b)}


def test_sequence_cycle500():
    found = pairs("cycle500", 3, 1300, 1000)
    assert sorted(found[:500].ravel().tolist()) == list(range(1000))
    assert np.array_equal(found[500:1000], found[:500]) and np.array_equal(found[1000:], found[:300])


@pytest.mark.parametrize("how", ["blockwise_norepeat", "iid_norepeat", "cycle500"])
def test_sequences_are_those_of_the_seed(how):
    assert np.array_equal(pairs(how, 3, 300, 100)[:80], pairs(how, 3, 80, 100))  # longer: the same beginning
    assert len({pairs(how, seed, 50, 100).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("how", ["blockwise_norepeat", "iid_norepeat", "cycle500"])
def test_every_pair_and_either_order_is_equally_likely(how):
    """The first task of 3,000 seeds, of six classes: 30 ordered pairs, 100 of each expected."""
    found = Counter(tuple(pairs(how, seed, 1, 6)[0].tolist()) for seed in range(3000))
    assert len(found) == 30
    assert sum((n - 100) ** 2 / 100 for n in found.values()) < 52.3  # chi-squared, 29 degrees: 0.5 %


def test_pairs_of_later_blocks_are_equally_likely_too():
    """The third block of six classes (9 of 15 pairs) exchanges partners often: 45 pairs over 3,000 seeds."""
    found = Counter(
        pair for seed in range(1000) for pair in unordered(pairs("blockwise_norepeat", seed, 9, 6)[6:])
    )
    assert len(found) == 15
    assert sum((n - 200) ** 2 / 200 for n in found.values()) < 31.3  # chi-squared, 14 degrees: 0.5 %


@pytest.mark.parametrize(
    ("how", "classes", "tasks", "words"),
    [
        ("iid_norepeat", 5, 11, "11 tasks are asked for, but 5 classes make only 10 different pairs"),
        ("blockwise_norepeat", 2, 2, "2 tasks are asked for, but 2 classes make only 1 different pairs"),
    ],
)
def test_more_tasks_than_pairs(how, classes, tasks, words):
    with pytest.raises(Unfit) as caught:
        pairs(how, 0, tasks, classes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_blocks_that_cannot_go_on():
    """Six classes have five blocks at most, and a random choice of the first three may leave no fourth."""
    stuck = []
    for seed in range(100):
        try:
            assert len(set(unordered(pairs("blockwise_norepeat", seed, 12, 6)))) == 12
        except Unfit as error:
            stuck.append(str(error))
    assert all("found 9 tasks of 6 classes, but 12 are asked for" in line for line in stuck)
    assert 0 < len(stuck) < 100


# ---- images


@pytest.fixture
def images():
    """Six classes of 6 to 9 images. Image j of class c is 10 c + j everywhere; the mean image grows downwards."""
    counts = np.array([6, 7, 8, 9, 6, 7])
    values = [np.full((3, 32, 32), 10 * c + j, np.uint8) for c, n in enumerate(counts) for j in range(n)]
    rows = np.broadcast_to(np.arange(32.0)[:, None], (32, 32))
    mean = np.stack([rows, 2 * rows, rows + 100])
    names = np.array([f"n{c}".encode() for c in range(6)])
    return {"counts": counts, "images": np.array(values), "mean": mean, "names": names}


def stream(images, seed=3, tasks=9, **changes) -> problem.Problem:
    """The stream of one seed."""
    settings = problem.Settings(**{**SMALL, **changes})
    return problem.Problem(settings, seed, problem.sequence(settings, seed, tasks), images)


def test_a_task_trains_on_the_first_images_and_tests_on_the_last(images):
    shown = stream(images, centring="none")
    for index in range(9):
        first, second = shown.sequence["classes"][index].tolist()
        task, (inputs, targets) = shown.task(index), shown.test(index)
        train = [10 * c + j for c in (first, second) for j in range(4)]
        test = [10 * c + images["counts"][c] - j for c in (first, second) for j in (2, 1)]
        assert np.array_equal(np.rint(task.inputs * 255), np.repeat(train, 3072).reshape(8, 3072))
        assert np.array_equal(np.rint(inputs * 255), np.repeat(test, 3072).reshape(4, 3072))
        assert task.targets.tolist() == [0] * 4 + [1] * 4 and targets.tolist() == [0, 0, 1, 1]
        assert task.inputs.dtype == inputs.dtype == np.float32 and task.targets.dtype == np.int64


def test_an_image_is_a_row_of_the_table_plane_by_plane(images):
    images["images"] = np.random.default_rng(0).integers(0, 256, images["images"].shape).astype(np.uint8)
    shown = stream(images)
    train, test = shown.rows(2)
    assert train.shape == (2, 4) and test.shape == (2, 2)
    pixels = shown.centre(images["images"][train])  # [2, 4, 3, 32, 32]
    assert np.array_equal(shown.task(2).inputs.reshape(pixels.shape), pixels)
    assert np.array_equal(
        shown.test(2)[0].reshape(4, 3, 32, 32), shown.centre(images["images"][test.ravel()])
    )


@pytest.mark.parametrize("centring", ["mean_image", "channel_mean", "none"])
def test_centring(images, centring):
    shown = stream(images, centring=centring)
    found = shown.centre(np.full((3, 32, 32), 51, np.uint8))
    assert found.dtype == np.float32 and found.shape == (3, 32, 32)
    rows = np.arange(32)
    taken = {
        "mean_image": [rows, 2 * rows, rows + 100],
        "channel_mean": [np.full(32, m) for m in (15.5, 31, 115.5)],
        "none": np.zeros((3, 32)),
    }[centring]
    for channel in range(3):
        for column in (0, 31):
            assert found[channel, :, column] == pytest.approx(0.2 - taken[channel] / 255, abs=1e-7)


def test_each_pass_over_a_task_has_an_order_of_its_own(images):
    shown = stream(images)
    orders = [shown.order(index, epoch) for index in (0, 1) for epoch in range(5)]
    assert all(sorted(order.tolist()) == list(range(8)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 10
    assert np.array_equal(shown.task(1).order, shown.order(1, 0))
    place = streams.Address(streams.ORDER, 3, task=1, step=4)
    assert np.array_equal(shown.order(1, 4), streams.permutation(place, 8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": 7}, "classes: 7 are asked for, but the data set 'imagenet32' has 6"),
        ({"train_per_class": 5}, "class n0 has 6 images, too few for train_per_class 5 and test_per_class 2"),
        ({"train_per_class": 5}, "(2 of 6 classes have too few)"),
        (
            {"test_per_class": 5, "classes": 2},
            "class n0 has 6 images, too few for train_per_class 4 and test_per",
        ),
    ],
)
def test_too_few_classes_or_images(images, changes, words):
    with pytest.raises(Unfit) as caught:
        stream(images, tasks=1, **changes)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_classes_that_take_no_part_may_be_small(images):
    images["counts"] = np.array([6, 7, 8, 9, 6, 1])
    assert stream(images, classes=5, tasks=4).task(3).inputs.shape == (8, 3072)


def test_sequences_in_files(tmp_path):
    settings = {"problem": {"name": "continual_imagenet", "classes": 6}, "length": 9}
    sequences.make_block(settings, [3, 4], tmp_path / "a.h5")
    three, four = sequences.read([tmp_path / "a.h5"], [3, 4])
    assert np.array_equal(three["classes"], pairs("blockwise_norepeat", 3, 9, 6))
    assert np.array_equal(four["classes"], pairs("blockwise_norepeat", 4, 9, 6))


def test_real_images_have_the_published_spread(real_imagenet):
    """The authors' arrays: mean 0.000327, standard deviation 0.26003, largest magnitude 0.63039.

    Ours are part of the classes, from smaller pictures, so only about. A channel's mean would leave less than 0.6.
    """
    data = datasets.read(real_imagenet.path)
    settings = problem.Settings(classes=284, train_per_class=450)
    shown = problem.Problem(settings, 0, problem.sequence(settings, 0, 142), data)
    tasks = [shown.task(index).inputs for index in range(0, 142, 4)]
    every = np.concatenate(tasks)
    assert abs(every.mean()) < 0.01 and every.std() == pytest.approx(0.26, abs=0.01)
    assert 0.6 < np.abs(every).max() < 0.66

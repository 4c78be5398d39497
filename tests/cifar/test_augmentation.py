"""Random views against torchvision's own transformations, and where their numbers come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cifar import small

from perennial import streams
from perennial.datasets import _torchvision
from perennial.problems import class_incremental
from perennial.problems._augmentation import Views, changed
from perennial.streams import Address

ADDRESS = Address(streams.AUGMENTATION, 7, 2, 5)


def test_a_view_is_a_flip_then_a_crop_then_a_turn():
    """Pixel by pixel but at those few whose middle falls between two, where either may be the nearest."""
    _torchvision.readers()
    from torchvision.transforms import functional

    images = np.random.default_rng(0).normal(size=(40, 3, 32, 32)).astype(np.float32)
    u = streams.uniforms(ADDRESS, 4 * 40).reshape(4, 40).astype(float)
    found = changed(images, Views(), ADDRESS)
    same = []
    for k, image in enumerate(torch.tensor(images)):
        image = functional.hflip(image) if u[0, k] < 0.5 else image
        dy, dx = (int(u[row, k] * 9) for row in (1, 2))
        image = functional.pad(image, [4], padding_mode="reflect")[:, dy : dy + 32, dx : dx + 32]
        image = functional.rotate(image, u[3, k] * 15)
        same.append((image.numpy() == found[k]).all(0).mean())
    assert np.mean(same) > 0.999 and min(same) > 0.98


def test_each_change_can_be_left_out():
    images = np.random.default_rng(0).normal(size=(9, 3, 8, 8)).astype(np.float32)
    assert (changed(images, Views(False, 0, 0.0), ADDRESS) == images).all()
    flipped = changed(images, Views(True, 0, 0.0), ADDRESS)
    turned = [(flipped[k] == images[k][:, :, ::-1]).all() for k in range(9)]
    kept = [(flipped[k] == images[k]).all() for k in range(9)]
    assert [a != b for a, b in zip(turned, kept, strict=True)] == [True] * 9 and any(turned) and any(kept)


def test_mirrored_padding_never_repeats_the_edge():
    line = np.arange(8, dtype=np.float32)
    images = np.tile(line, (64, 1, 8, 1)).reshape(64, 1, 8, 8)
    rows = {tuple(row) for row in changed(images, Views(False, 2, 0.0), ADDRESS)[:, 0, 0].astype(int)}
    assert (2, 1, 0, 1, 2, 3, 4, 5) in rows and (2, 3, 4, 5, 6, 7, 6, 5) in rows and len(rows) == 5


def test_all_algorithms_of_a_seed_see_the_same(data):
    """And another seed, another step and another pass see others."""
    own = small.settings()
    other = small.settings({"name": "cbp", "step_size": 0.1, "replacement_rate": 0.1})
    one, two = (small.course(made, [1, 2], data).problems for made in (own, other))
    for index, epoch, step in ((0, 0, 0), (0, 1, 2), (1, 2, 3)):
        for a, b in zip(
            one[0].batch(index, epoch, step, 8), two[0].batch(index, epoch, step, 8), strict=True
        ):
            assert (a == b).all()
    first = one[0].batch(1, 0, 0, 8)[0]
    assert not any((first == x).all() for x in (one[1].batch(1, 0, 0, 8)[0], one[0].batch(1, 1, 0, 8)[0]))


@pytest.mark.parametrize("augment_test", ["on", "off"])
def test_validation_images_are_never_changed_and_test_images_if_asked(data, augment_test):
    problem = small.course(small.settings(problem={"augment_test": augment_test}), [1], data).problems[0]
    for a, b in zip(problem.validation(1), problem.validation(1), strict=True):
        assert (a == b).all()
    passes = [problem.test(1, epoch)[0] for epoch in (0, 1)]
    assert (passes[0] == passes[1]).all() == (augment_test == "off")
    plain = small.course(small.settings(problem={"augment_test": "off"}), [1], data).problems[0].test(1)
    assert (passes[0] == plain[0]).all() == (augment_test == "off")
    assert (problem.test(1)[1] == plain[1]).all()


def test_images_are_parted_and_labelled_as_the_study_does(data):
    """Of a class in file order: first validation, then training; labels by the order of introduction."""
    problem = small.course(
        small.settings(problem={"crop": 0, "flip": "off", "rotation": 0.0}), [1], data
    ).problems[0]
    order = problem.classes
    assert sorted(order) == list(range(100)) and list(order) != list(range(100))
    own = np.flatnonzero(data["train_labels"] == order[3])
    mean, std = (np.array(of)[:, None, None] for of in (class_incremental.MEAN, class_incremental.DEVIATION))

    def seen(rows):
        pixels = data["train_images"][rows].astype(float).reshape(-1, 3, 8, 4, 8, 4).mean((3, 5))
        return (pixels / 255 - mean) / std

    x, y = problem.validation(1)
    np.testing.assert_allclose(x[y == 3].reshape(-1, 3, 8, 8), seen(own[:5]), rtol=1e-4, atol=1e-4)
    shown = [problem.batch(1, 0, step, 8) for step in range(problem.steps(1, 8))]
    x, y = (np.concatenate(arrays) for arrays in zip(*shown, strict=True))
    assert len(y) == 48 and np.bincount(y).tolist() == [12] * 4
    key = lambda images: sorted(map(tuple, np.round(images.reshape(12, -1), 3)))  # noqa: E731
    assert key(x[y == 3]) == key(seen(own[5:17]).astype(np.float32))

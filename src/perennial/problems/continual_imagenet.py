"""Continual ImageNet: each task tells two classes of ImageNet apart, at 32x32 pixels; the tasks never end.

Nature 2024, Fig. 1. A task has 600 training and 100 test images of either class. Labels are 0 and 1, by the place in
the pair. File order parts a class into train and test, the same in every run.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Pixels, Size, Task, centred
from perennial.problems._class_pairs import pairs
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

DATASET = "imagenet32"


class Settings(Base):
    """Settings of the Continual ImageNet problem."""

    classes: int = Field(1000, ge=2, le=2**16, description="first so many classes of the data set take part")
    train_per_class: int = Field(600, ge=1, description="training images of a class: the first in file order")
    test_per_class: int = Field(100, ge=1, description="test images of a class: the last in file order")
    sequence: Literal["blockwise_norepeat", "iid_norepeat", "cycle500"] = switch(
        "blockwise_norepeat",
        "how pairs of classes follow one another: every class once before any comes again, and no pair twice; pairs "
        "drawn independently, none twice; or every class once, and the same pairs again and again (500 of 1,000)",
        paper="pairs drawn at random without replacement; the curves show no period",
        code="reads the pairs of a run from a row of a file, which it repeats as if it held 1,000 classes",
    )
    centring: Literal["mean_image", "channel_mean", "none"] = switch(
        "mean_image",
        "what is taken from the pixels, once these are divided by 255: the mean image, each channel's mean, or nothing",
        paper="not mentioned",
        code="reads arrays of mean 0.0003 and maximum 0.630; a channel's mean would leave at most 0.592",
    )


def size(settings: Settings) -> Size:
    """Two classes a task."""
    return Size(Problem.inputs, Problem.outputs, 2 * settings.train_per_class, Problem.shape)


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """classes [task, 2] uint16: the classes labelled 0 and 1.

    Raises:
        Unfit: there are not that many pairs.
    """
    return {"classes": pairs(settings.sequence, seed, tasks, settings.classes)}


class Problem:
    """The stream of one seed.

    A task's table is made from the data set's images, which engines may hold on their device as they are.
    """

    loss, axis, outputs = "cross_entropy", "task", 2
    shape = (3, 32, 32)  # channel, row, column
    inputs = 3 * 32 * 32

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        assert dataset is not None, "the images are missing"
        check(settings, dataset)
        self.settings, self.seed, self.sequence = settings, seed, sequence
        self._images, counts = dataset["images"], dataset["counts"]
        self._end = np.cumsum(counts)  # [class] where it ends among the images
        self._begin = self._end - counts
        self.mean = _mean(settings.centring, dataset["mean"])

    def rows(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the images of task `index` lie in the data set: [2, train_per_class] and [2, test_per_class] int64.

        Row 0 is the class labelled 0.
        """
        pair = self.sequence["classes"][index].astype(np.int64)
        train = self._begin[pair][:, None] + np.arange(self.settings.train_per_class)
        test = self._end[pair][:, None] + np.arange(-self.settings.test_per_class, 0)
        return train, test

    def centre(self, pixels: np.ndarray) -> np.ndarray:
        """[..., 3, 32, 32] uint8 -> float32, pixel / 255 - mean."""
        return centred(pixels, self.mean)

    def task(self, index: int) -> Task:
        """The training images, class after class, and the order of the first pass over them."""
        return Task(*self._table(self.rows(index)[0]), self.order(index, 0))

    def test(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Test images of task `index` and their labels: [n, i] float32, [n] int64."""
        table, labels = self._table(self.rows(index)[1])
        return table.array, labels

    def order(self, index: int, epoch: int) -> np.ndarray:
        """[n] int64: rows of the task's table in the order of pass number `epoch`, drawn anew for each."""
        address = streams.Address(streams.ORDER, self.seed, task=index, step=epoch)
        return streams.permutation(address, 2 * self.settings.train_per_class)

    def probe(self, task: Task) -> np.ndarray:
        """[n, i]: all training images of the coming task."""
        return task.inputs

    def coordinate(self, index: int) -> int:
        """Tasks are counted from 1."""
        return index + 1

    def _table(self, rows: np.ndarray) -> tuple[Pixels, np.ndarray]:
        """Images and labels of [2, n] rows. An image is one row of the table: red plane, green, blue."""
        labels = np.repeat(np.arange(2), rows.shape[1])
        return Pixels(self._images, rows.reshape(-1), self.mean), labels


def check(settings: Settings, dataset: Arrays) -> None:
    """Whether a data set has the classes and images that the settings ask for.

    Raises:
        Unfit: it has fewer classes, or a class has too few images; names that class.
    """
    counts, names = dataset["counts"], dataset["names"]
    if len(counts) < settings.classes:
        raise Unfit(
            f"continual_imagenet: classes: {settings.classes} are asked for, but the data set '{DATASET}' has "
            f"{len(counts)}"
        )
    train, test = settings.train_per_class, settings.test_per_class
    short = np.flatnonzero(counts[: settings.classes] < train + test)
    if len(short):
        first = short[0]
        raise Unfit(
            f"continual_imagenet: class {names[first].decode()} has {counts[first]} images, too few for "
            f"train_per_class {train} and test_per_class {test} ({len(short)} of "
            f"{settings.classes} classes have too few)"
        )


def _mean(centring: str, mean_image: np.ndarray) -> np.ndarray:
    """[3, 32, 32] float32, in 0..1."""
    if centring == "none":
        return np.zeros(mean_image.shape, np.float32)
    if centring == "channel_mean":
        mean_image = np.broadcast_to(mean_image.mean(axis=(1, 2), keepdims=True), mean_image.shape)
    return (mean_image / 255).astype(np.float32)

"""Class-incremental CIFAR-100: five classes more with every task, and all so far are learnt (Nature 2024, Fig. 2).

Labels go by the order in which classes are introduced, drawn for each seed. Of the official training images of a class
the first are for validation and the next for training, in file order; its test images are the official ones.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Size, Task
from perennial.problems._augmentation import Views, changed
from perennial.settings import Settings as Base
from perennial.settings import Unfit, switch

DATASET = "cifar100"
CLASSES, SIDE, OF_CLASS, TESTS = 100, 32, 500, 100  #: of the data set
MEAN, DEVIATION = (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)
TRAIN, TEST = 0, 1  # layers of the augmentation stream


class Settings(Base):
    """Settings of class-incremental CIFAR-100."""

    classes_per_task: int = Field(5, ge=1, le=CLASSES, description="classes that join with each task")
    train_per_class: int = Field(450, ge=1, le=OF_CLASS, description="training images of a class")
    validation_per_class: int = Field(50, ge=1, le=OF_CLASS, description="validation images of a class")
    test_per_class: int = Field(
        TESTS, ge=1, le=TESTS, description="test images of a class, the first in file order"
    )
    side: Literal[32, 16, 8] = Field(
        32, description="pixels of a side; smaller images are means of blocks of pixels"
    )
    flip: Literal["on", "off"] = Field("on", description="training images are mirrored in half of all cases")
    crop: int = Field(4, ge=0, le=16, description="training images are shifted by up to so many pixels")
    rotation: float = Field(
        15.0, ge=0, le=180, description="and turned by up to so many degrees, one way round"
    )
    augment_test: Literal["on", "off"] = switch(
        "on",
        "test images are changed at random like training images",
        paper="training images only",
        code="test images too: only for validation the changes are switched off",
    )


def size(settings: Settings) -> Size:
    """All outputs are there from the beginning; the examples are those of the first task."""
    shape = (3, settings.side, settings.side)
    examples = settings.classes_per_task * settings.train_per_class
    return Size(int(np.prod(shape)), CLASSES, examples, shape)


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """classes [100] uint8: in the order in which they join.

    Raises:
        Unfit: there are not that many classes, or images of a class.
    """
    if tasks * settings.classes_per_task > CLASSES:
        raise Unfit(
            f"class_incremental: {tasks} tasks of {settings.classes_per_task} classes are asked for, but there are "
            f"{CLASSES} classes"
        )
    if settings.train_per_class + settings.validation_per_class > OF_CLASS:
        raise Unfit(
            f"class_incremental: train_per_class {settings.train_per_class} and validation_per_class "
            f"{settings.validation_per_class} are more than the {OF_CLASS} images of a class"
        )
    order = streams.permutation(streams.Address(streams.SEQUENCE, seed), CLASSES)
    return {"classes": order.astype(np.uint8)}


class Problem:
    """The stream of one seed."""

    loss, axis, outputs = "cross_entropy", "classes", CLASSES

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        assert dataset is not None, "the images are missing"
        self.settings, self.seed = settings, seed
        self.shape = (3, settings.side, settings.side)
        self.inputs = int(np.prod(self.shape))
        self.classes = sequence["classes"].astype(np.int64)  # [100] in order of introduction
        self._images = {part: dataset[f"{part}_images"] for part in ("train", "test")}
        # [class, image] rows of either part, in file order
        self._rows = {
            part: np.argsort(dataset[f"{part}_labels"], kind="stable").reshape(CLASSES, -1)
            for part in self._images
        }
        self.views = Views(settings.flip == "on", settings.crop, settings.rotation)
        self._order: tuple[tuple[int, int], np.ndarray] = ((-1, -1), np.empty(0))  #: of one pass

    def joined(self, index: int) -> int:
        """Classes that take part in task number `index`."""
        return self.settings.classes_per_task * (index + 1)

    def coordinate(self, index: int) -> int:
        """The number of classes."""
        return self.joined(index)

    def steps(self, index: int, batch: int) -> int:
        """Mini-batches of one pass; what does not fill the last one is left out of that pass."""
        return self.joined(index) * self.settings.train_per_class // batch

    def batch(self, index: int, epoch: int, step: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
        """Mini-batch number `step` of a pass: inputs [b, i] float32 and labels [b] int64."""
        count = self.joined(index) * self.settings.train_per_class
        if self._order[0] != (index, epoch):
            address = streams.Address(streams.ORDER, self.seed, task=index, step=epoch)
            self._order = (index, epoch), streams.permutation(address, count)
        own = self._order[1][step * batch : (step + 1) * batch]
        labels, which = own // self.settings.train_per_class, own % self.settings.train_per_class
        rows = self._rows["train"][self.classes[labels], self.settings.validation_per_class + which]
        at = streams.Address(
            streams.AUGMENTATION, self.seed, index, epoch * self.steps(index, batch) + step, TRAIN
        )
        return self._flat(changed(self._normalised("train", rows), self.views, at)), labels

    def validation(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Validation images of all classes so far, as they are: [n, i] float32 and labels [n] int64."""
        return self._first("train", self.joined(index), self.settings.validation_per_class)

    def test(self, index: int, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Test images of all classes so far, changed at random for each pass if the settings say so."""
        inputs, labels = self._first("test", self.joined(index), self.settings.test_per_class)
        if self.settings.augment_test == "on":
            at = streams.Address(streams.AUGMENTATION, self.seed, index, epoch, TEST)
            inputs = self._flat(changed(inputs.reshape(-1, *self.shape), self.views, at))
        return inputs, labels

    def coming(self, index: int, count: int) -> np.ndarray:
        """[n, i]: up to so many training and validation images of the classes that join with a task, as they are.

        Spread over these classes, so that each has its share.
        """
        own = self.classes[self.joined(index) - self.settings.classes_per_task : self.joined(index)]
        most = self.settings.train_per_class + self.settings.validation_per_class
        rows = self._rows["train"][own, :most].T.reshape(-1)[:count]  # class by class in turn
        return self._flat(self._normalised("train", rows))

    def task(self, index: int) -> Task:
        """There is no fixed table of examples: each pass shows other views.

        Raises:
            Unfit: always; such a problem wants a procedure of its own.
        """
        raise Unfit("class_incremental: tasks grow and images change (allowed: procedure: class_increments)")

    def _first(self, part: str, joined: int, each: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self._rows[part][self.classes[:joined], :each].reshape(-1)
        return self._flat(self._normalised(part, rows)), np.repeat(np.arange(joined), each)

    def _normalised(self, part: str, rows: np.ndarray) -> np.ndarray:
        """[b, channel, y, x] float32: pixel / 255, minus the channel's mean, over its deviation."""
        pixels = self._images[part][rows].astype(np.float32)
        block = SIDE // self.settings.side
        if block > 1:  # [b, c, y, x] -> [b, c, y', block, x', block]
            side = self.settings.side
            pixels = pixels.reshape(len(rows), 3, side, block, side, block).mean(
                axis=(3, 5), dtype=np.float32
            )
        mean, deviation = (np.array(of, np.float32)[:, None, None] for of in (MEAN, DEVIATION))
        return (pixels / np.float32(255) - mean) / deviation

    def _flat(self, images: np.ndarray) -> np.ndarray:
        return images.reshape(len(images), -1)

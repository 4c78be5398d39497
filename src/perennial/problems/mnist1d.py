"""MNIST-1D: sequences of 40 numbers, each a distorted curve that stands for a digit. One task, learnt in mini-batches.

Greydanus and Kobak, ICML 2024. Every seed of a run meets the same data set, which has a seed of its own; a run's seed
decides where its network begins and, where examples are reshuffled, in which order they come.
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.datasets import _mnist1d
from perennial.problems import Arrays, Size, Task

DATASET = None
BLOCK = 10  # positions of a chunk
CHUNKS = (2, 3, 0, 1)  # the order in which the chunks of 40 positions are put together again


class Settings(_mnist1d.Arguments):
    """Arguments of the generator, and what a study does with what it gives."""

    arrangement: Literal["as_made", "reversed", "permuted", "chunks"] = Field(
        "as_made", description="the positions, of training and test examples alike, after the data are made"
    )
    permutation_seed: int = Field(42, ge=0, lt=2**32, description="of the arrangement `permuted`")
    label_noise: float = Field(0.0, ge=0, le=1, description="share of training labels that are drawn anew")
    second_seed: int | None = Field(
        None,
        ge=0,
        lt=2**32,
        description="of a second data set, for what is learnt after a search (lottery_ticket)",
    )


def size(settings: Settings) -> Size:
    """Told by the arguments alone."""
    return Size(settings.final_seq_length, _mnist1d.CLASSES, settings.train_examples)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """inputs [n, i], test_inputs float64, targets [n], test_targets int64, t [i], templates: for all seeds alike."""
    return dict(_met(settings))


@functools.lru_cache(maxsize=4)
def _met(settings: Settings) -> Arrays:
    """Made once for all seeds of a block."""
    arguments = {name: getattr(settings, name) for name in _mnist1d.Arguments.model_fields}
    found, draw = _mnist1d.made(_mnist1d.Arguments(**arguments))
    columns = arranged(settings)
    met = {
        "inputs": found["x"][:, columns],
        "test_inputs": found["x_test"][:, columns],
        "targets": noisy(found["y"], settings.label_noise, draw),
        "test_targets": found["y_test"],
        **{name: found[name] for name in ("t", "templates")},
    }
    if settings.second_seed is not None:
        second = _mnist1d.made(_mnist1d.Arguments(**{**arguments, "seed": settings.second_seed}))[0]
        met |= {f"second_{name}": second[name] for name in ("x", "x_test", "y", "y_test")}
    return met


def arranged(settings: Settings) -> np.ndarray:
    """[i] int64: input k is position `arranged[k]` of the examples as they were made."""
    return places_of(settings.arrangement, settings.final_seq_length, settings.permutation_seed)


def places_of(arrangement: str, length: int, seed: int) -> np.ndarray:
    """The positions in another order, one of the setting `arrangement`."""
    places = np.arange(length)
    if arrangement == "reversed":
        return places[::-1]
    if arrangement == "permuted":
        return np.random.RandomState(seed).permutation(length)
    if arrangement == "chunks":
        chunks = np.split(places, range(BLOCK, length, BLOCK))
        order = CHUNKS if len(chunks) == len(CHUNKS) else range(len(chunks))[::-1]
        return np.concatenate([chunks[k] for k in order])
    return places


def noisy(labels: np.ndarray, share: float, draw: np.random.RandomState) -> np.ndarray:
    """Each label with that probability replaced by any of the ten, the right one too. Goes on with the data's draws."""
    found = labels.copy()
    for k in range(len(labels) if share else 0):  # the published order of the draws, label by label
        if draw.random_sample() < share:
            found[k] = draw.randint(0, _mnist1d.CLASSES)
    return found


class Problem:
    """The data set, as one seed meets it."""

    outputs = _mnist1d.CLASSES
    loss, axis = "cross_entropy", "task"

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        self.settings, self.seed, self.sequence = settings, seed, sequence
        self.inputs = settings.final_seq_length
        self._examples, self._tests = (
            sequence[name].astype(np.float32) for name in ("inputs", "test_inputs")
        )

    def task(self, index: int) -> Task:
        """The training examples once, in their own order."""
        targets = self.sequence["targets"]
        return Task(self._examples, targets, np.arange(len(targets)))

    def order(self, index: int, epoch: int) -> np.ndarray:
        """[n] int64: the training examples in random order, another for each pass."""
        address = streams.Address(streams.ORDER, self.seed, task=index, step=epoch)
        return streams.permutation(address, len(self.sequence["targets"]))

    def test(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Test examples and their labels: [n, i] float32, [n] int64."""
        return self._tests, self.sequence["test_targets"]

    def second(
        self, arrangement: str, seed: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The second data set under an arrangement: inputs [n, i] float32, targets [n], test inputs, test targets."""
        columns = places_of(arrangement, self.inputs, seed)
        x, x_test = (
            self.sequence[f"second_{name}"][:, columns].astype(np.float32) for name in ("x", "x_test")
        )
        return x, self.sequence["second_y"], x_test, self.sequence["second_y_test"]

    def probe(self, task: Task) -> np.ndarray:
        """[n, i]: the test examples."""
        return self._tests

    def coordinate(self, index: int) -> int:
        """Tasks are counted from 1."""
        return index + 1

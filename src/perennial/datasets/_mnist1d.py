"""MNIST-1D: ten hand-drawn curves of 12 points, made into 5,000 noisy sequences of 40 numbers. No download.

Greydanus and Kobak, "Scaling down Deep Learning", ICML 2024 (arXiv 2011.14439). The published data come from NumPy's
legacy generator (MT19937), so the draws of each example are made one after the other, in the published order; the
arithmetic is done for all examples at once. Equal to the published file to 1e-15, and alike when rounded to 8 digits.
"""

from __future__ import annotations

import functools
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from perennial.problems import Arrays
from perennial.settings import Settings as Base

CLASSES = 10
EPSILON = 1e-8  # added to a template, so that it can be told from the zeros it is padded with
SMOOTHING = 2  # points: standard deviation of the filter of the correlated noise

TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
POINTS = len(TEMPLATES[0])

Count = Annotated[int, Field(ge=0)]
Scale = Annotated[float, Field(ge=0)]


class Arguments(Base):
    """Arguments of the generator, under their published names."""

    num_samples: int = Field(
        5000, ge=CLASSES, description="examples, train and test, the same number of each digit"
    )
    train_split: float = Field(0.8, ge=0, le=1, description="share of the examples that are for training")
    template_len: int = Field(POINTS, ge=1, description="points of a digit where the padding is the longest")
    padding: tuple[Count, Count] = Field(
        (36, 60), description="fewest and most zeros that are put after a digit"
    )
    scale_coeff: Scale = Field(0.4, description="the amplitude is 1 + this times a number in [-0.5, 0.5)")
    max_translation: int = Field(48, ge=1, description="the digit is rotated by fewer points than this")
    corr_noise_scale: Scale = Field(
        0.25, description="standard deviation of the background's noise before smoothing"
    )
    iid_noise_scale: Scale = Field(0.02, description="standard deviation of the noise of single points")
    shear_scale: Scale = Field(0.75, description="the slope is this times a number in [-0.5, 0.5)")
    shuffle_seq: bool = Field(False, description="permute the positions of all examples alike")
    final_seq_length: int = Field(40, ge=2, description="numbers of an example")
    seed: int = Field(42, ge=0, lt=2**32, description="of the data set")

    @model_validator(mode="after")
    def _fit(self) -> Arguments:
        low, high = self.padding
        if low > high:
            raise ValueError(f"padding: {low}, {high} is not from few to many zeros")
        if self.template_len > low:
            raise ValueError(
                f"template_len: {self.template_len} is longer than the padding (allowed: at most {low})"
            )
        if self.num_samples % CLASSES:
            raise ValueError(f"num_samples: {self.num_samples} is no multiple of the {CLASSES} digits")
        if self.max_translation > self.working_length:
            allowed = f"(allowed: at most {self.working_length}, template_len and the longest padding)"
            raise ValueError(f"max_translation: {self.max_translation} is more than a turn {allowed}")
        return self

    @property
    def working_length(self) -> int:
        """Points of an example before it is sampled down."""
        return self.template_len + self.padding[1]

    @property
    def train_examples(self) -> int:
        """Examples for training."""
        return int(self.num_samples * self.train_split)


@functools.lru_cache(maxsize=8)
def make(arguments: Arguments) -> Arrays:
    """x [n, i] and x_test float64, y [n] and y_test int64, t [i], templates [10, 12]; made once for equal arguments.

    They are shared: nobody may write to them.
    """
    return made(arguments)[0]


def made(arguments: Arguments) -> tuple[Arrays, np.random.RandomState]:
    """The arrays, and the generator as it stands after them: the label noise of a study goes on from there."""
    draw = np.random.RandomState(arguments.seed)
    shapes = templates()
    labels = np.repeat(np.arange(CLASSES), arguments.num_samples // CLASSES)
    x = _transformed(arguments, draw, shapes[labels])
    order = draw.permutation(len(labels))
    x, labels = x[order], labels[order].astype(np.int64)
    if arguments.shuffle_seq:
        x = x[:, draw.permutation(arguments.final_seq_length)]
    mean, deviation = x.mean(), x.std()
    x = (x - mean) / deviation
    t = _resample(np.linspace(-5, 5, POINTS) / 6, arguments.working_length)
    t = _resample(t, arguments.final_seq_length) / deviation
    n = arguments.train_examples
    found = {"x": x[:n], "x_test": x[n:], "y": labels[:n], "y_test": labels[n:], "t": t, "templates": shapes}
    for array in found.values():
        array.flags.writeable = False
    return found, draw


def templates() -> np.ndarray:
    """[10, 12] the digits: mean 0 and standard deviation 1 each, then moved to begin at 0, a sixth as large."""
    x = np.array(TEMPLATES)
    x = x - x.mean(axis=1, keepdims=True)
    x = x / x.std(axis=1, keepdims=True)
    return (x - x[:, :1]) / 6.0


def _transformed(arguments: Arguments, draw: np.random.RandomState, digits: np.ndarray) -> np.ndarray:
    """Examples from their templates: [n, 12] -> [n, i]."""
    from scipy.ndimage import gaussian_filter1d

    n, length = len(digits), arguments.working_length
    zeros, shift = np.empty(n, np.int64), np.empty(n, np.int64)
    scale, slope = np.empty(n), np.empty(n)
    background, noise = np.empty((n, length)), np.empty((n, length))
    low, high = arguments.padding
    for k in range(n):  # the published order of the draws, example by example
        zeros[k] = low + int(draw.random_sample() * (high - low + 1))
        scale[k] = draw.random_sample()
        shift[k] = draw.randint(arguments.max_translation)
        background[k] = draw.standard_normal(length)
        noise[k] = draw.standard_normal(length)
        slope[k] = draw.random_sample()
    x = _dilated(digits + EPSILON, zeros, length)
    x *= 1 + arguments.scale_coeff * (scale - 0.5)[:, None]
    turned = (np.arange(length) - shift[:, None]) % length  # to the right
    x = np.take_along_axis(x, turned, axis=1)
    background = gaussian_filter1d(arguments.corr_noise_scale * background, SMOOTHING, axis=1)
    x = np.where(x != 0, x, background) + arguments.iid_noise_scale * noise
    x -= (arguments.shear_scale * (slope - 0.5))[:, None] * np.linspace(-0.5, 0.5, length)
    return _resample(x, arguments.final_seq_length)


def _dilated(digits: np.ndarray, zeros: np.ndarray, length: int) -> np.ndarray:
    """Each digit [n, 12] with its number of zeros after it, resampled: [n, length]. Fewer zeros, a wider digit."""
    found = np.empty((len(digits), length))
    for count in np.unique(zeros):  # of each padding the same points are joined
        rows = zeros == count
        found[rows] = _resample(np.pad(digits[rows], ((0, 0), (0, count))), length)
    return found


def _resample(x: np.ndarray, length: int) -> np.ndarray:
    """Linear interpolation of the last axis onto `length` points, both grids being equally spaced in [0, 1]."""
    here, there = np.linspace(0, 1, x.shape[-1]), np.linspace(0, 1, length)
    right = np.clip(np.searchsorted(here, there), 1, len(here) - 1)
    left = right - 1
    slope = (x[..., right] - x[..., left]) / (here[right] - here[left])
    return slope * (there - here[left]) + x[..., left]

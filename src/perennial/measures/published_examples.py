"""Whether a run meets the published MNIST-1D: its examples, rounded to six digits, by their checksums."""

from __future__ import annotations

import hashlib

import numpy as np

KIND, AXES = "data", ()
UNITS = "percent"
DESCRIPTION = "share of the two arrays of examples, for training and tests, that are the published ones"
SOURCE = "Greydanus and Kobak 2024, mnist1d_data.pkl and the notebooks' data sets"

DIGITS = 6
#: first 16 hex digits of SHA-256 over (training, test) examples of the data sets of the studies
PINS = {
    ("a628c903554582c8", "40736dec6f794f2e"),  # the published file
    ("224e8c0b15392fe8", "c98d683ae33e2c14"),  # seed 43
    ("91ee6fbf8d8acc41", "f39e9af0392032b0"),  # 10,000 examples
    ("4f41fef493c68d5b", "ffa3c4a997f3c4a6"),  # 16,000, a quarter for training
    ("809498a1849e99b5", "d3bd19dbbb6cde55"),  # shuffled positions
    ("51dd5741b429e070", "38a401e32f424169"),  # 1,000 tests and 1,000
    ("b8e738cd8064d349", "6d26da08bec740b8"),  # 2,000
    ("5f6024912ccbd338", "1d9777efe6db5a7c"),  # 5,000
    ("61099e34d1d36429", "c90cc9ce9eb3bae4"),  # 10,000
    ("741ecdb11ef2d1b0", "0b12d7d3a697481e"),  # 20,000
    ("400e0eb206ea13da", "701dd89f5c606cb8"),  # or 50,000 training examples
}


def measure(sequence: dict[str, np.ndarray]) -> float:
    """What a run meets, `inputs` [n, i] and `test_inputs` -> percent of the two that are one published pair's."""
    found = tuple(checksum(sequence[name]) for name in ("inputs", "test_inputs"))
    return max(50.0 * sum(own == pin for own, pin in zip(found, pair, strict=True)) for pair in PINS)


def checksum(array: np.ndarray) -> str:
    """16 hex digits of the numbers rounded to six digits; -0 counts as 0."""
    return hashlib.sha256((np.round(array, DIGITS) + 0.0).tobytes()).hexdigest()[:16]

"""MNIST-1D for people: `perennial.load_mnist1d()`."""

from __future__ import annotations

from typing import Any

from perennial.config.errors import Mistakes
from perennial.datasets import _mnist1d
from perennial.problems import Arrays


def load_mnist1d(**arguments: Any) -> Arrays:
    """MNIST-1D as arrays: x [n, i] and x_test float64, y [n] and y_test int64, t [i], templates [10, 12].

    Args:
        arguments: any of the published ones, see `perennial.datasets._mnist1d.Arguments`; without any, the published
            data set.

    Raises:
        ConfigError: one line for each bad argument, with what was given and what is allowed.
    """
    mistakes = Mistakes("load_mnist1d")
    parsed = mistakes.validate(_mnist1d.Arguments, arguments, lambda key: key)
    mistakes.raise_if_any()
    assert parsed is not None
    return {name: array.copy() for name, array in _mnist1d.make(parsed).items()}

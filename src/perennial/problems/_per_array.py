"""What is derived from an array, computed once for all who share the array, and kept only as long as it lives."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np


def per_array(function: Callable[..., Any]) -> Callable[..., Any]:
    """Remember what `function(array, *rest)` gives, for each array object and `rest`.

    The runs of a block lie in one process and share its data set: a table made from it is made once, not once
    for each run. The result is shared, so nobody may write to it, and it must not be a view of the array.

    Args:
        function: of an array, which is told apart by identity, and of hashable arguments.
    """
    found: dict[tuple[Any, ...], Any] = {}
    lock = threading.Lock()

    @functools.wraps(function)
    def remembering(array: np.ndarray, *rest: Any) -> Any:
        key = (id(array), *rest)
        with lock:  # runs are trained on threads; the second waits for the first
            if key not in found:
                found[key] = function(array, *rest)
                weakref.finalize(array, found.pop, key, None).atexit = False
            return found[key]

    return remembering

"""Which runs have diverged, and since when: a loss or a weight that is no finite number.

Accuracy and dead units of such a run look like those of any other: what cannot be compared is not greater.
"""

from __future__ import annotations

import numpy as np

from perennial.learning import tree
from perennial.learning.tree import Tree

NEVER = -1


def look(known: np.ndarray, done: int, performance: np.ndarray, state: Tree | None) -> np.ndarray:
    """The update at which each run was first seen to have diverged, counted from 1; NEVER where it was not.

    Args:
        known: [r] of the looks before.
        done: updates of each run before those of `performance`.
        performance: [r, steps] before each update, since the last look.
        state: of all runs, after those updates. Where the performance does not show it, as an accuracy, the weights
            do, at the time of this look. None: not looked at.
    """
    bad = ~np.isfinite(performance)
    now = np.where(bad.any(axis=1), done + 1 + bad.argmax(axis=1), NEVER)
    if state is not None:
        now = np.where((now == NEVER) & ~finite(state), done + performance.shape[1], now)
    return np.where(known == NEVER, now, known)


def finite(state: Tree) -> np.ndarray:
    """[r] whether all weights of a run are finite numbers; of a state without weights, all its numbers."""
    arrays = [(path, np.asarray(array)) for path, array in tree.leaves(state)]
    arrays = [(path, array) for path, array in arrays if array.dtype.kind == "f" and array.ndim]
    weights = [array for path, array in arrays if "weights" in path.split("/")] or [one for _, one in arrays]
    if not weights:
        return np.ones(0, bool)
    return np.all([np.isfinite(one).reshape(len(one), -1).all(axis=1) for one in weights], axis=0)

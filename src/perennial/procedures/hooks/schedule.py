"""The step size within a task."""

from __future__ import annotations


def factor(share: float, at: list[float], decay: float) -> float:
    """What the step size is multiplied by.

    Args:
        share: of the task that is done, in [0, 1).
        at: shares at which it becomes smaller, increasing.
        decay: by this factor each time.
    """
    return decay ** sum(share >= one for one in at)

"""What happens every so many steps of a run. The count is in the state: the clock's begins anew with each task."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch


def count(weights: dict[str, Any]) -> Any:
    """A fresh count of steps [r] int64."""
    one = next(iter(weights.values()))
    return torch.zeros(len(one), dtype=torch.int64, device=one.device)


def tick(steps: Any, every: int) -> Any:
    """Count a step in place; in which runs something is due now, [r] bool. First after `every` steps; never at 0."""
    steps += 1
    return (steps % every == 0) if every > 0 else torch.zeros_like(steps, dtype=torch.bool)


def nothing(due: Any) -> bool:
    """Whether the host sees that nothing is due, so that work can be left out which would change nothing.

    It looks only where the numbers are at hand: a step that is recorded, on a GPU or by a tracer, does the same work
    whatever is due.
    """
    return type(due) is torch.Tensor and due.device.type == "cpu" and not bool(due.any())

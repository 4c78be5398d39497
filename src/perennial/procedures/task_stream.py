"""A stream of tasks: before each task the internals are measured, then the task is learnt example by example."""

from __future__ import annotations

from typing import Any, Literal

from perennial.learning.learner import Need
from perennial.procedures import Cost, Group, _tasks
from perennial.settings import Settings as Base
from perennial.settings import switch

LENGTH = _tasks.LENGTH
MEASURES = _tasks.Tasks.kinds


class Settings(Base):
    """Settings of the task stream."""

    reset: Literal["none", "network", "head"] = switch(
        "none",
        "what starts afresh before every task: nothing, the whole network, or its last layer",
        paper="none, but for the baselines that say so",
        code="none; the last layer in Continual ImageNet",
    )


class TaskStream(_tasks.Tasks):
    """One group of runs on its way through the tasks."""

    def _begin(self, index: int) -> None:
        """Start afresh what does; before the first task everything is fresh."""
        if index > 0:
            self._start_afresh(index)


def need(settings: dict[str, Any]) -> Need:
    """One example a step."""
    return _tasks.need_of(settings)


def cost(settings: dict[str, Any]) -> Cost:
    """One update for each example."""
    return _tasks.cost_of(settings, _tasks.size_of(settings).examples)


def start(group: Group) -> TaskStream:
    """A group of runs before the first task."""
    return TaskStream(group, need(group.settings))

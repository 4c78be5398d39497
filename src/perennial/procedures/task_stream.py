"""A stream of tasks: before each task the internals are measured, then the task is learnt example by example."""

from __future__ import annotations

import functools
from typing import Any, Literal

from perennial.problems import Problem
from perennial.procedures import _tasks
from perennial.settings import Settings as Base
from perennial.settings import switch


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
        if index > 0 and self.options.reset != "none":
            self._reset(self.options.reset, index)


def steps(settings: dict[str, Any], problem: Problem) -> int:
    """Updates of one run in one task."""
    return problem.task(0).steps


run = functools.partial(_tasks.run, TaskStream)

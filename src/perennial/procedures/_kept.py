"""Whether a snapshot is one of a course of tasks: a file may be whole and yet of another length, or lack a measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perennial import registry
from perennial.learning.learner import State

if TYPE_CHECKING:
    from perennial.procedures._tasks import Tasks


def check(course: Tasks, kept: State, sizes: dict[str, int]) -> None:
    """Compare what a snapshot says was done and measured with the course that shall go on from it.

    Args:
        course: the runs, at their beginning.
        kept: the snapshot.
        sizes: of the axes that measures may have.

    Raises:
        ValueError: the course cannot have been there.
    """
    tasks, length, runs = int(kept["tasks"]), course.settings["length"], len(course.seeds)
    steps = course.total // length // runs
    rows, begun = (
        kept["performance"].shape if "performance" in kept else (runs, 0)
    )  # [r, steps of the next task]
    done = int(kept["steps"])
    if not 0 <= tasks <= length - (begun > 0):
        raise ValueError(f"{tasks} of {length} tasks and {begun} steps of the next are done")
    if rows != runs or begun >= steps or done != tasks * steps + begun:
        raise ValueError(f"{done} steps are done, not {tasks} tasks of {steps} and {begun} of the next")
    if kept["diverged"].shape != (runs,):
        raise ValueError(f"diverged has the shape {list(kept['diverged'].shape)}, wanted [{runs}]")
    for name in course.measures:
        module = registry.module("measures", name)
        before = tasks + (begun > 0 and module.KIND == "internals")  # these are taken before a task is learnt
        due = sum(course.is_due(name, index) for index in range(before))
        wanted = due, runs, *(sizes[axis] for axis in module.AXES)
        found = kept["taken"][name].shape if name in kept["taken"] else (0, *wanted[1:])
        if found != wanted:
            raise ValueError(f"{name} has the shape {list(found)}, wanted {list(wanted)}")

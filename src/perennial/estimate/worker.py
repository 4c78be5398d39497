"""Processes that rehearse kinds of runs, several at a time; one that compiles for too long is ended."""

from __future__ import annotations

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

# isort: split
import contextlib
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from perennial import config
from perennial.config import Study
from perennial.errors import UserError
from perennial.estimate import rehearsal
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import Materials

Request = tuple[Kind, dict[str, Any]]  #: a kind and the settings of one of its variants
_materials: Materials  # of the process


class NoStart(UserError, RuntimeError):
    """A process that was to be timed did not come to its first step."""


def rehearse_all(
    study: Study, wanted: list[Request], workers: int, seconds: float, take: Callable[[Kind, dict], object]
) -> None:
    """Rehearse kinds in order, as many as there is time for.

    Args:
        study: where data are looked for.
        wanted: kinds, the most important first.
        workers: processes.
        seconds: of wall time after which the processes are ended.
        take: is given each answer: a `Measured` as a dict, or {"error": line}.
    """
    end, spawn = time.monotonic() + seconds, multiprocessing.get_context("spawn")
    with spawn.Pool(min(workers, len(wanted)), _begin, [study.entry.model_dump(mode="json")]) as pool:
        answers = pool.imap_unordered(_rehearse, wanted)
        with contextlib.suppress(multiprocessing.TimeoutError, StopIteration):
            while True:
                take(*answers.next(max(0.0, end - time.monotonic())))


def start_up(study: Study, request: Request) -> dict[str, Any]:
    """A `Measured` as a dict from a fresh process, whose start and memory are those of a training job.

    Raises:
        NoStart: the process came to nothing, although an earlier one did.
    """
    answer: dict[str, Any] = {}
    rehearse_all(study, [request], 1, 120, lambda kind, found: answer.update(found))
    if "start" not in answer:
        raise NoStart(f"plan: a process that was to train a little ended: {answer.get('error', 'no answer')}")
    return answer


def _begin(entry: dict[str, Any]) -> None:
    """A process begins."""
    global _materials
    _materials = Materials(config.load(entry))


def _rehearse(request: Request) -> tuple[Kind, dict[str, Any]]:
    kind, settings = request
    try:
        return kind, asdict(rehearsal.rehearse(kind, settings, _materials))
    except Exception as error:  # any: a plan says what it could not measure, and goes on
        return kind, {"error": f"{type(error).__name__}: {error}".splitlines()[0]}

"""A process that rehearses kinds of runs: a JSON line in, a JSON line out, until the input ends.

It is a process of its own so that a compiler that takes long can be ended, and so that several can work at once.
"""

from __future__ import annotations

import perennial.one_thread  # noqa: F401  first: the numerical libraries read it when they are imported

# isort: split
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from perennial import config
from perennial.config import Study
from perennial.errors import UserError
from perennial.estimate import rehearsal
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import Materials

Request = tuple[Kind, dict[str, Any]]  #: a kind and the settings of one of its variants


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
    waiting: SimpleQueue[Request] = SimpleQueue()
    for request in wanted:
        waiting.put(request)
    processes = [_start() for _ in range(min(workers, len(wanted)))]
    threads = [threading.Thread(target=_feed, args=(p, study, waiting, take), daemon=True) for p in processes]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    for process in processes:
        process.kill()
        process.wait()
    for thread in threads:
        thread.join()


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


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "perennial.estimate.worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _feed(
    process: subprocess.Popen[str],
    study: Study,
    waiting: SimpleQueue[Request],
    take: Callable[[Kind, dict], object],
) -> None:
    """Give a process one kind after the other."""
    assert process.stdin is not None and process.stdout is not None
    about = {"results": str(study.results), "entry": study.entry.model_dump(mode="json")}
    try:
        while True:
            kind, settings = waiting.get_nowait()
            request = {**about, "kind": vars(kind), "settings": settings}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer:
                return
            take(kind, json.loads(answer))
    except (Empty, OSError):
        return
    finally:
        with contextlib.suppress(OSError):  # its other end may be gone
            process.stdin.close()


def main() -> None:
    """Answer requests from the standard input."""
    answers, sys.stdout = sys.stdout, sys.stderr  # nothing else may print among the answers
    materials: Materials | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if materials is None:
            materials = Materials(config.load(request["entry"]))
        try:
            found = rehearsal.rehearse(Kind(**request["kind"]), request["settings"], materials).as_dict()
        except Exception as error:  # any: a plan says what it could not measure, and goes on
            found = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(found), file=answers, flush=True)
    os._exit(0)  # without the libraries' own long good-byes


if __name__ == "__main__":
    main()

"""Timings of everything a study needs: from the memo where they are known, else rehearsed, most important first."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perennial.config import Study
from perennial.estimate import kinds, memo, overheads, rehearsal, worker
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import MOST_TASKS, Materials
from perennial.estimate.rehearsal import Measured
from perennial.jobs import sequences

LEFT = "no time was left"


@dataclass
class Timings:
    """Timings of a study's kinds, its sequences and its overheads.

    Args:
        study: the validated config.
        known: the memo.
        seconds: of wall time for rehearsals.
        workers: processes that rehearse at the same time.
        say: takes a line for people.
    """

    study: Study
    known: memo.Memo
    seconds: float
    workers: int
    say: Callable[[str], object]
    measured: dict[Kind, Measured] = field(default_factory=dict)
    why_not: dict[Kind, str] = field(default_factory=dict)  #: kinds that were not timed
    starts: dict[str, tuple[float, int]] = field(default_factory=dict)  #: engine -> seconds, bytes

    def __post_init__(self) -> None:
        self.materials = Materials(self.study)
        self.overheads = overheads.Overheads(
            **self._once(memo.name_of_overheads(), lambda: vars(overheads.measure()))
        )

    def size(self, settings: dict[str, Any]) -> tuple[int, int]:
        """Weights of a run's network and steps of a task."""
        found = self._once(
            memo.name_of_kind(f"size {_parts(settings)}", settings),
            lambda: [self.materials.weights(settings), self.materials.steps(settings)],
        )
        return found[0], found[1]

    def sequence(self, settings: dict[str, Any]) -> tuple[float, float]:
        """CPU seconds and bytes of one task of one seed's sequence."""
        problem, tasks = settings["problem"], min(settings["length"], MOST_TASKS)

        def make() -> list[float]:
            with tempfile.TemporaryDirectory() as folder:
                path, begin = Path(folder) / "sequence.h5", time.process_time()
                sequences.make_block({"problem": problem, "length": tasks}, [0], path)
                return [(time.process_time() - begin) / tasks, path.stat().st_size / tasks]

        found = self._once(memo.name_of_kind(f"sequence {tasks} {problem}", settings), make)
        return found[0], found[1]

    def rehearse(self, work: dict[Kind, float], settings: dict[Kind, dict[str, Any]]) -> None:
        """Time the kinds, or look them up.

        Args:
            work: kind -> run-steps times weights: how much depends on it.
            settings: kind -> those of one of its variants.
        """
        wanted = [
            (kind, settings[kind]) for kind in kinds.in_order(work) if not self._recall(kind, settings[kind])
        ]
        if wanted:
            self.say(
                f"timing {len(wanted)} kinds of runs on this machine, for {self.seconds:.0f} s at most ..."
            )
            worker.rehearse_all(self.study, wanted, self.workers, self.seconds, self._take(settings))
            for kind, own in wanted:
                if kind not in self.measured and kind not in self.why_not:
                    self.why_not[kind] = LEFT
                    self.known.put(memo.name_of_kind(kind.key, own), {"left": self.seconds})
        for engine in {kind.engine for kind in self.measured}:
            self.starts[engine] = self._start(engine, settings)
        self.known.save()

    def _take(self, settings: dict[Kind, dict[str, Any]]) -> Callable[[Kind, dict], object]:
        def take(kind: Kind, answer: dict[str, Any]) -> None:
            self.known.put(memo.name_of_kind(kind.key, settings[kind]), answer)
            self._learn(kind, answer)

        return take

    def _recall(self, kind: Kind, settings: dict[str, Any]) -> bool:
        """Whether there is nothing to time: it is known, or cannot be timed."""
        if not rehearsal.fits(kind, self.size(settings)[0]):
            self.why_not[kind] = "too large to build"
        elif not self.materials.has_data(settings):
            self.why_not[kind] = "its data set is not there"
        elif answer := self.known.get(memo.name_of_kind(kind.key, settings)):
            if answer.get("left", self.seconds) < self.seconds:
                return False  # there is more time now
            self._learn(kind, answer)
        return kind in self.measured or kind in self.why_not

    def _learn(self, kind: Kind, answer: dict[str, Any]) -> None:
        if reason := answer.get("error") or ("left" in answer and LEFT):
            self.why_not[kind] = reason
        else:
            self.measured[kind] = Measured(**{key: answer[key] for key in Measured.__dataclass_fields__})

    def _start(self, engine: str, settings: dict[Kind, dict[str, Any]]) -> tuple[float, int]:
        """Seconds and bytes of a fresh process of an engine up to its first step, loops compiled before."""
        mine = [kind for kind in self.measured if kind.engine == engine]
        least = min(mine, key=lambda kind: (self.measured[kind].table, self.measured[kind].state, kind.key))
        name = memo.name_of_kind(f"start {engine}", settings[least])
        found = self._once(name, lambda: list(worker.start_up(self.study, (least, settings[least]))))
        own = self.measured[least]
        return found[0], max(found[1] - 2 * own.table - 6 * own.state, 0)

    def _once(self, name: str, measure: Callable[[], Any]) -> Any:
        if self.known.get(name) is None:
            self.known.put(name, measure())
        return self.known.get(name)


def _parts(settings: dict[str, Any]) -> str:
    return str([settings[part] for part in ("problem", "procedure", "network")])


def cores_here() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Timings of everything a study needs: from the memo where they are known, else rehearsed, most important first."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perennial import registry
from perennial.config import Study
from perennial.dag.stage_code import dataset_of
from perennial.estimate import kinds, memo, overheads, rehearsal, worker
from perennial.estimate.kinds import Kind
from perennial.estimate.materials import Materials, shortened
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
    starts: dict[tuple[str, str | None], tuple[float, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.materials = Materials(self.study)
        self.stages: dict[str, float] = self._once(memo.name_of_overheads(), overheads.measure)

    def sequence(self, settings: dict[str, Any]) -> tuple[float, float]:
        """CPU seconds and bytes of one seed's sequence, for each task or other unit of its length."""
        own = shortened(settings)
        met = {part: own[part] for part in (*registry.WORLDS, "length") if part in own}

        def make() -> list[float]:
            with tempfile.TemporaryDirectory() as folder:
                path, begin = Path(folder) / "sequence.h5", time.process_time()
                sequences.make_block(met, [0], path)
                return [(time.process_time() - begin) / own["length"], path.stat().st_size / own["length"]]

        found = self._once(memo.name_of_kind(f"sequence {met}", settings), make)
        return found[0], found[1]

    def start(self, kind: Kind) -> tuple[float, int]:
        """CPU seconds and bytes of memory of a process until it trains, loops compiled before and runs left out.

        Measured for each engine and data set; where these were not, the most of the engine's others.
        """
        same = [found for (engine, _), found in self.starts.items() if engine == kind.engine]
        exact = self.starts.get((kind.engine, dataset_of(kind.settings)))
        return exact or (max(seconds for seconds, _ in same), max(memory for _, memory in same))

    def rehearse(self, work: dict[Kind, float], settings: dict[Kind, dict[str, Any]]) -> None:
        """Time the kinds, or look them up.

        Args:
            work: kind -> run-steps times weights: how much depends on it.
            settings: kind -> those of one of its variants.
        """
        weights = {kind: kinds.cost_of_run(own).weights for kind, own in settings.items()}
        order = kinds.in_order(work, weights)
        wanted = [(kind, settings[kind]) for kind in order if not self._recall(kind, settings[kind])]
        if wanted:
            self.say(
                f"timing {len(wanted)} kinds of runs on this machine, for {self.seconds:.0f} s at most ..."
            )
            worker.rehearse_all(self.study, wanted, self.workers, self.seconds, self._take(settings))
            for kind, own in wanted:
                if kind not in self.measured and kind not in self.why_not:
                    self.why_not[kind] = LEFT
                    self.known.put(memo.name_of_kind(kind.key, own), {"left": self.seconds})
        self._measure_starts(settings)
        self.known.save()

    def _take(self, settings: dict[Kind, dict[str, Any]]) -> Callable[[Kind, dict], object]:
        def take(kind: Kind, answer: dict[str, Any]) -> None:
            self.known.put(memo.name_of_kind(kind.key, settings[kind]), answer)
            self._learn(kind, answer)

        return take

    def _recall(self, kind: Kind, settings: dict[str, Any]) -> bool:
        """Whether there is nothing to time: it is known, or cannot be timed."""
        if not rehearsal.fits(settings):
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
            self.measured[kind] = Measured(**answer)

    def _measure_starts(self, settings: dict[Kind, dict[str, Any]]) -> None:
        """Start a process of each engine with each data set, for the smallest runs there are."""
        # of equal ones always the same, in whatever order they were timed
        small = sorted(
            self.measured,
            key=lambda kind: (kinds.cost_of_run(settings[kind]).memory, kind.key),
            reverse=True,
        )
        for (engine, data), kind in {
            (kind.engine, dataset_of(kind.settings)): kind for kind in small
        }.items():
            own = settings[kind]
            name = memo.name_of_kind(f"start {engine} {data}", own)
            found = Measured(**self._once(name, lambda: worker.start_up(self.study, (kind, own))))  # noqa: B023
            memory = found.memory - found.runs * kinds.cost_of_run(own).memory
            self.starts[engine, data] = found.start, max(memory, 0)

    def _once(self, name: str, measure: Callable[[], Any]) -> Any:
        if self.known.get(name) is None:
            self.known.put(name, measure())
        return self.known.get(name)


def cores_here() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Checkpoints of a block: all that its runs need to go on after a kill, to the last bit.

A block's folder holds sealed files `{runs}.{mark}.{steps}.h5`: the state of runs that are trained together (one
run, or the whole stack), a mark of all that determines their numbers, and the updates each run has done. The
newest good file wins, and the last two are kept. Beside them `starts` counts the work of each start (tally.py). The
folder is no output of a rule (Snakemake deletes those of a failed job); it is removed when the block is done.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from perennial.dag import blocks
from perennial.errors import UserError
from perennial.files import identity as identities
from perennial.files import seams, store
from perennial.jobs import restoring, stopping
from perennial.jobs.lock import InUse, held
from perennial.jobs.tally import Tally

__all__ = ["Checkpoints", "Group", "InUse", "LostTheWay", "opened"]

SHARE = 0.01  # of the time, at most, goes into saving
KEPT = 2  # files of each group of runs


class LostTheWay(UserError, RuntimeError):
    """Runs that ended before or after their time: a checkpoint was not theirs. The next start begins anew."""


class Checkpoints:
    """The checkpoints of one block; see `opened`.

    Args:
        folder: of the block. None: nothing is kept.
        identity: name -> value of all that determines the runs' numbers but their seeds.
        seconds: at least so long between two saves.
        request: says when to save and stop.
    """

    def __init__(
        self,
        folder: Path | None,
        identity: dict[str, Any],
        seconds: float = 0,
        request: stopping.Request | None = None,
    ) -> None:
        self.folder, self.identity, self.seconds = folder, identity, seconds
        self.request = request or stopping.Request()
        self.tally = Tally(folder and folder / "starts", _mark(identity))
        # by earlier processes, as far as was saved
        self.spent = {"wall_seconds": 0.0, "cpu_seconds": 0.0, "saving_seconds": 0.0}
        self.saves, self.saving = 0, 0.0  # of this process: how many, and seconds spent on them
        self.round = 0  # of saving: every group saves once in each
        self.done = 0  #: updates of each run once all are done
        self._begin = time.monotonic(), time.process_time()
        self._wait, self._turned = seconds, time.monotonic()
        self._unsaved: dict[Group, tuple[int, Any]] = {}
        self._lock = threading.Lock()

    def groups(self, seeds: list[list[int]]) -> list[Group]:
        """The checkpoints of each group of runs, at the newest good one. Says so where others cannot be used."""
        groups = [Group(self, own) for own in seeds]
        names = {group.name for group in groups}
        if others := [path for path in self.files() if path.name.rsplit(".", 2)[0] not in names]:
            newest = max(others, key=lambda path: path.stat().st_mtime)
            say(f"{newest}: made with other {_difference(newest, self.identity)}; not used")
        return groups

    def times(self) -> dict[str, float]:
        """Wall and processor time spent on the block, and on saving alone, with that of earlier processes."""
        own = time.monotonic() - self._begin[0], time.process_time() - self._begin[1], self.saving
        return {key: before + now for (key, before), now in zip(self.spent.items(), own, strict=True)}

    def offer(self, group: Group, steps: int, snapshot: Callable[[], Any], finished: bool) -> None:
        """See `Group.offer`. A finished group is written along with the next one that saves."""
        if self.folder is None:
            return
        begin, asked, saved = time.monotonic(), self.request.signal, True
        with self._lock:
            if begin - self._turned >= self._wait:
                self.round, self._turned = self.round + 1, begin
            due = asked or group.round < self.round
            if due or finished:
                self._unsaved[group] = steps, snapshot()
            if due:
                group.round = self.round
                saved = self.save()
                took = time.monotonic() - begin
                self._wait = max(self.seconds, took / SHARE)
                self.saves, self.saving = self.saves + 1, self.saving + took
        if asked:
            where = "from here" if saved else "from the last checkpoint"
            raise stopping.Stopped(f"stopped by {asked}; the next start goes on {where}")

    def files(self, name: str = "*.*") -> list[Path]:
        """Those of a group, or all; of one group the newest last."""
        return sorted(self.folder.glob(f"{name}.*.h5")) if self.folder else []

    def remove(self) -> None:
        """The block is done: nothing of this is needed any more."""
        if self.folder:
            with suppress(OSError):  # what stays is no harm
                for path in self.files():
                    seams.reach("checkpoint.before_remove", path)
                    path.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, then: str = "training goes on") -> bool:
        """Write all that waits; whether that went well. What cannot be written costs a line, not the run."""
        self.tally.flush()
        failures = []
        for group, (steps, tree) in self._unsaved.items():
            try:
                group.write(steps, tree)
            except OSError as error:
                failures.append(getattr(error, "reason", error))
        self._unsaved.clear()
        if failures and then:
            say(f"{self.folder}: no checkpoint ({failures[0]}); {then}")
        return not failures

    def save_and_promise(self) -> str:
        """Save what can be saved, and say where the next start goes on."""
        self.save(then="")
        return f"the next start {'goes on from the checkpoints' if self.files() else 'begins anew'}"


class Group:
    """The checkpoints of runs that are trained together; in the training job.

    Args:
        block: its checkpoints.
        seeds: of the runs.
    """

    def __init__(self, block: Checkpoints, seeds: list[int]) -> None:
        self.block, self.round, self.seeds = block, 0, seeds
        self.identity = json.dumps({**block.identity, "seeds": seeds}, sort_keys=True)
        mark = _mark({**block.identity, "seeds": seeds})
        self.name = f"{f'seed_{seeds[0]:04d}' if len(seeds) == 1 else 'stack'}.{mark}"
        self.steps = 0  # updates of each run at the newest good checkpoint
        self._newest = self._find()

    def resumed(self, course: Any, again: Callable[[], Any]) -> Any:
        """A course at the newest checkpoint that is of it, or at its beginning. Others are set aside.

        Args:
            course: a `perennial.procedures.Course` at its beginning.
            again: makes another one, where a checkpoint has spoilt this.

        Raises:
            stopping.Stopped: the process was asked to stop.
        """
        if asked := self.block.request.signal:
            raise stopping.Stopped(f"stopped by {asked}; the next start goes on from here")
        self.round = self.block.round
        while self._newest is not None:
            if (reason := self._restore(course)) is None:
                break
            self._set_aside(self._newest, reason)
            self._newest, course = self._find(), again()
        return course

    def arrived(self, done: int, total: int) -> None:
        """A course came to its end after `done` run-steps.

        Raises:
            LostTheWay: these are not all that there are.
        """
        if done != total:
            for path in self.block.files(self.name):
                self._set_aside(path, "led to a run of another length")
            counts = f"{done:,} of {total:,} run-steps"
            seeds = identities.listed(self.seeds)
            raise LostTheWay(
                f"{self.block.folder}: seeds {seeds} came to their end after {counts}; start again"
            )

    def offer(self, steps: int, snapshot: Callable[[], Any], finished: bool = False) -> None:
        """Save if it is time to.

        Raises:
            stopping.Stopped: the process was asked to stop; all is saved.
        """
        self.block.offer(self, steps, snapshot, finished)

    def write(self, steps: int, tree: Any) -> None:
        """Write a checkpoint and keep the last two."""

        def fill(file: Any) -> None:
            file.attrs.update({"kind": "checkpoint", "identity": self.identity, "steps": steps})
            file.attrs.update(self.block.times())
            store.write_tree(file, "kept", tree)

        store.write(self.block.folder / f"{self.name}.{steps:012d}.h5", fill)
        for path in self.block.files(self.name)[:-KEPT]:
            seams.reach("checkpoint.before_drop", path)
            path.unlink()

    def _find(self) -> Path | None:
        """The newest good file that is of these runs; others under its name are set aside."""
        self.steps = 0
        for path in reversed(self.block.files(self.name)):
            reason = store.check(path) or self._why_not_ours(path)
            if reason is None:
                return path
            self._set_aside(path, reason)
        return None

    def _why_not_ours(self, path: Path) -> str | None:
        """In what a whole file under the right name is no checkpoint of these runs; takes over its times if it is."""
        wanted, spent = json.loads(self.identity), self.block.spent
        with store.open_checked(path) as file:
            try:
                found = {"kind": str(file.attrs["kind"]), **json.loads(file.attrs["identity"])}
                steps = int(file.attrs["steps"])
                times = {key: float(file.attrs.get(key, 0)) for key in spent}
                _ = file["kept"]
            except (KeyError, TypeError, ValueError) as error:
                return f"is no checkpoint of this version ({' '.join(str(error).split())})"
        names = {key: wanted.get(key, "") for key in ("experiment", "variant")}
        made = {key: wanted.get(key) for key in ("seeds", "settings", "code")}
        if reason := identities.mismatch(found, "checkpoint", **names, **made):
            return reason
        if others := _differing(found, wanted):
            return f"was made with other {others}"
        self.steps = steps
        spent.update({key: max(spent[key], times[key]) for key in spent})
        return None

    def _restore(self, course: Any) -> str | None:
        """Bring a course to the newest checkpoint. Why that cannot be, in words; the course is spoilt then."""
        done = self.steps * len(self.seeds)
        if done > course.total:
            return f"says that {done:,} of {course.total:,} run-steps were done"
        with store.open_checked(self._newest) as file:
            kept = store.read_tree(file["kept"])
        return restoring.restore(course, kept)

    def _set_aside(self, path: Path, reason: str) -> None:
        older = [other for other in self.block.files(self.name) if other < path]
        then = f"{older[-1].name if older else 'the beginning'} is used"
        blocks.set_aside(path, reason, then, dry_run=False, say=say)


@contextmanager
def opened(folder: Path | None, identity: dict[str, Any], seconds: float) -> Iterator[Checkpoints]:
    """The checkpoints of a block while it is trained by this process alone.

    Args:
        folder: of the block's checkpoints; made when missing. None: nothing is kept.
        identity: name -> value of all that determines the runs' numbers but their seeds.
        seconds: at least so long between two saves; more where a save takes more than a hundredth of that.

    Raises:
        InUse: another process trains the block.
        store.CannotWrite: the folder cannot be made or written to.
    """
    if folder is None:
        yield Checkpoints(None, identity)
        return
    with held(folder), stopping.on_request() as request:
        for path in folder.glob(".*.tmp"):  # of a writer that was killed
            path.unlink()
        yield Checkpoints(folder, identity, seconds, request)


def _mark(identity: dict[str, Any]) -> str:
    """16 hex digits that stand for an identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _difference(path: Path, identity: dict[str, Any]) -> str:
    """In what a checkpoint differs, in words: `settings`, `code, seeds`."""
    try:
        with store.open_checked(path) as file:
            found = json.loads(file.attrs["identity"])
    except (OSError, KeyError):
        return "settings"
    return _differing(found, identity) or "seeds"


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """Names of what differs, in the order in which they are wanted."""
    return ", ".join(key for key in wanted if found.get(key) != wanted[key])


def say(line: str) -> None:
    """One line for people."""
    print(line, file=sys.stderr, flush=True)

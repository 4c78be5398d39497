"""Decide what is made again: what the study wants, held against what each file on disk says about itself.

Neither dates nor the workflow's own records matter. Whatever is missing, damaged, or not what was asked for is made
again, and so is all that reads it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from perennial import datasets
from perennial.config import Study
from perennial.config.study import sequence_key
from perennial.dag import blocks, reasons, stage_code
from perennial.dag.blocks import Block
from perennial.files import store


@dataclass
class Disk:
    """What planning may do about finished files. The default trusts them all, as a cluster job does."""

    look: bool = False  #: check finished files
    rename: bool = False  #: set bad files aside and mend dates; otherwise they are only reported
    make_again: Callable[[Path], object] = lambda path: None  #: have a file made although it exists
    say: Callable[[str], object] = print  #: takes one line for people


@dataclass
class Planner:
    """What each stage needs, and which of it stays. Each file is looked at once."""

    study: Study
    disk: Disk = field(default_factory=Disk)
    _runs: dict[Path, list[Block]] = field(default_factory=dict)
    _sequences: dict[Path, list[Block]] = field(default_factory=dict)
    _users: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)
    _again: set[Path] = field(default_factory=set)  # files that will be made, whether they are there or not
    _contents: reasons.Contents = field(default_factory=reasons.Contents)

    def stays(self, path: Path) -> bool:
        """Whether a file that was looked at is there and will not be made again."""
        return not self.disk.look or (path not in self._again and path.is_file())

    def accept(self, path: Path) -> bool:
        """Whether a file stays. Then it may be read, and a date that lies ahead is set back.

        A job's result is older than such an input. Snakemake takes that for a wrong clock and deletes the result.
        """
        if not self.stays(path):
            return False
        if self.disk.rename and path.stat().st_mtime > time.time():
            try:
                os.utime(path)
            except OSError as error:
                self.disk.say(
                    f"{path}: is dated in the future, and its date cannot be set ({error.strerror})"
                )
        return True

    def run_folder(self, experiment: str, variant: str) -> Path:
        """Where a variant's blocks lie."""
        return self.study.folder / "runs" / experiment / variant

    def sequence_folder(self, sequence: str) -> Path:
        """Where the blocks of a sequence lie."""
        return self.study.folder / "sequences" / sequence

    def runs(self, experiment: str, variant: str) -> list[Block]:
        """Blocks of runs that cover the seeds of a variant."""
        folder = self.run_folder(experiment, variant)
        if folder not in self._runs:
            found = self._trusted(folder)
            plan = blocks.plan(
                found, self.study.seeds(experiment, variant), self.study.block_size(experiment, variant)
            )
            self._runs[folder] = plan
            for block in plan if self.disk.look else []:
                self._judge_run(experiment, variant, block, block in found)
        return self._runs[folder]

    def run_files(self, experiment: str, variant: str) -> list[Path]:
        """Files of these blocks."""
        folder = self.run_folder(experiment, variant)
        return [folder / blocks.file_name(block) for block in self.runs(experiment, variant)]

    def sequences(self, sequence: str) -> list[Block]:
        """Blocks of a sequence that cover all runs that will meet it, or have met it."""
        folder = self.sequence_folder(sequence)
        if folder not in self._sequences:
            planned = {(user, block) for user in self.users(sequence) for block in self.runs(*user)}
            new = [block for user, block in planned if not self.stays(self._run_file(user, block))]
            found = self._drawn(sequence, self._trusted(folder), new)
            plan = self._sequences[folder] = blocks.plan_along(found, {block for _, block in planned})
            self._again.update(folder / blocks.file_name(block) for block in set(plan) - set(found))
        return self._sequences[folder]

    def sequences_of(self, experiment: str, variant: str, block: Block) -> list[Path]:
        """Sequence files that a block of runs reads."""
        sequence = self.study.sequence(experiment, variant)
        folder = self.sequence_folder(sequence)
        return [folder / blocks.file_name(b) for b in blocks.overlapping(self.sequences(sequence), block)]

    def users(self, sequence: str) -> list[tuple[str, str]]:
        """Active (experiment, variant) pairs that meet a sequence."""
        if not self._users:
            for experiment in self.study.experiments():
                for variant in self.study.variants(experiment):
                    met = self.study.sequence(experiment, variant)
                    self._users.setdefault(met, []).append((experiment, variant))
        return self._users.get(sequence, [])

    def dataset(self, name: str) -> Path:
        """A data set's file. A bad one, or one with other content than the code asks for, is set aside."""
        path = self.study.results / "data" / f"{name}.h5"
        if self._first_look(path) and path.is_file():
            reason = store.check(path) or reasons.dataset(path, name)
            if reason:
                self._set_aside(path, reason)
        return path

    def inputs_of(self, experiment: str, variant: str, block: Block) -> tuple[list[Path], Path | None]:
        """Sequences and data set that a block of runs needs; nothing for one that stays.

        One that was trained on the user's own data keeps them as an input: only the file knows their content.
        """
        self.runs(experiment, variant)  # judged here too: a block may be asked for by its own name
        name = stage_code.dataset_of(self.study.settings(experiment, variant))
        stays = self.disk.look and self.stays(self._run_file((experiment, variant), block))
        if stays:
            own = name and stage_code.checksum(name) is None
            return [], self.dataset(name) if name and own else None
        met, data = self.sequences_of(experiment, variant, block), self.dataset(name) if name else None
        for path in (*met, *([data] if data else [])):
            if not self.stays(path):
                self.disk.make_again(path)
        return met, data

    def metrics(self, experiment: str, variant: str) -> Path:
        """A variant's metrics file."""
        path = self.study.folder / "metrics" / experiment / f"{variant}.h5"
        if self._first_look(path):
            runs = self.run_files(experiment, variant)
            reason = store.check(path) if path.is_file() else None
            if reason:
                self._set_aside(path, reason)
                self._make([path])
            else:
                why = reasons.Metrics(self.study, self._contents, experiment, variant)
                self._judge([path], runs, lambda: why(path, runs))
        return path

    def metrics_of(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Path]:
        """Metrics files of (experiment, variant) pairs."""
        return {pair: self.metrics(*pair) for pair in pairs}

    def figure(self, name: str) -> list[Path]:
        """Both pictures of a figure."""
        paths = [self.study.folder / "figures" / f"{name}.{kind}" for kind in ("svg", "png")]
        if self._first_look(paths[0]):
            metrics = self.metrics_of(self.study.shown.get(name, []))
            why = reasons.Figure(self.study, self._contents, name)
            self._judge(paths, metrics.values(), lambda: why(paths, metrics))
        return paths

    def claims(self, experiment: str) -> list[Path]:
        """The verdicts of an experiment, and all their detail."""
        paths = [self.study.folder / "claims" / f"{experiment}.{kind}" for kind in ("csv", "json")]
        if self._first_look(paths[0]):
            metrics = self.metrics_of(self.study.judged(experiment))
            why = reasons.Claims(self.study, self._contents, experiment)
            self._judge(paths, metrics.values(), lambda: why(*paths, metrics))
        return paths

    def report(self, inputs: list[Path], code: str) -> list[Path]:
        """The page and the table of all verdicts.

        Args:
            inputs: pictures and verdicts that must be in it, as `figure` and `claims` give them.
            code: hash of the code of the page.
        """
        paths = [self.study.folder / "report.html", self.study.folder / "claims.csv"]
        if self._first_look(paths[0]):
            why = reasons.Report(self.study, self._contents, code)
            self._judge(paths, inputs, lambda: why(*paths, inputs))
        return paths

    def _first_look(self, path: Path) -> bool:
        """Whether a file is to be looked at, and was not before."""
        if not self.disk.look or path in self._seen:
            return False
        self._seen.add(path)
        return True

    def _judge(self, outputs: list[Path], inputs: Iterable[Path], why: Callable[[], str | None]) -> None:
        """Have a job's files made again if one is missing, or an input will be made, or there is a reason."""
        if not all(map(Path.is_file, outputs)) or not all(map(self.stays, inputs)):
            self._make(outputs)
        elif reason := why():
            self.disk.say(f"{reason}; it will be made again")
            self._make(outputs)

    def _make(self, outputs: list[Path]) -> None:
        self._again.update(outputs)
        for path in outputs:
            self.disk.make_again(path)

    def _set_aside(self, path: Path, reason: str) -> None:
        blocks.set_aside(path, reason, "it will be made again", not self.disk.rename, self.disk.say)
        self._again.add(path)

    def _run_file(self, pair: tuple[str, str], block: Block) -> Path:
        return self.run_folder(*pair) / blocks.file_name(block)

    def _trusted(self, folder: Path) -> list[Block]:
        """Finished blocks but for damaged ones, which are set aside."""
        found = blocks.finished(folder)
        if not self.disk.look:
            return found
        bad = {path.name for path in blocks.set_aside_bad(folder, not self.disk.rename, self.disk.say)}
        return [block for block in found if blocks.file_name(block) not in bad]

    def _judge_run(self, experiment: str, variant: str, block: Block, there: bool) -> None:
        path = self._run_file((experiment, variant), block)
        if not there:
            self._make([path])
            return
        reason = reasons.run(path, self.study.settings(experiment, variant), experiment, variant, block)
        if reason := reason or self._other_data(path, experiment, variant):
            self.disk.say(f"{path}: {reason}; its seeds will be trained again")
            self._make([path])

    def _other_data(self, path: Path, experiment: str, variant: str) -> str | None:
        """Why a block was not trained on the user's own data that are there; the code knows nothing of these."""
        name = stage_code.dataset_of(self.study.settings(experiment, variant))
        if not name or stage_code.checksum(name) is not None:
            return None
        data = self.dataset(name)
        return reasons.other_data(path, datasets.checksum(data)) if self.stays(data) else None

    def _drawn(self, sequence: str, found: list[Block], new: list[Block]) -> list[Block]:
        """Blocks of a sequence without those that new runs cannot use: they are set aside."""
        if not self.disk.look:
            return found
        folder, good = self.sequence_folder(sequence), []
        settings = sequence_key(self.study.settings(*self.users(sequence)[0]))
        for block in found:
            path = folder / blocks.file_name(block)
            reason = reasons.sequences(path, settings, block) if blocks.overlapping(new, block) else None
            if reason:
                self._set_aside(path, reason)
            else:
                good.append(block)
        return good

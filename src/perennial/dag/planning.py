"""Decide which block files each stage needs, from the study and from what is trustworthy on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from perennial import datasets
from perennial.config import Study
from perennial.dag import blocks, stage_code
from perennial.dag.blocks import Block
from perennial.files import identity, store


@dataclass
class Disk:
    """What planning may do about finished files. The default trusts them all, as a cluster job does."""

    look: bool = False  #: check finished files
    rename: bool = False  #: set bad files aside; otherwise they are only reported
    has_record: Callable[[Path], bool] = lambda path: True  #: whether the workflow remembers making this file
    make_again: Callable[[Path], object] = lambda path: None  #: have a file made although it exists
    say: Callable[[str], object] = print  #: takes one line for people


@dataclass
class Planner:
    """Planned blocks of every variant and every sequence. Each folder is looked at once."""

    study: Study
    disk: Disk = field(default_factory=Disk)
    _runs: dict[Path, list[Block]] = field(default_factory=dict)
    _sequences: dict[Path, list[Block]] = field(default_factory=dict)
    _users: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _seen: set[Path] = field(default_factory=set)
    _contents: dict[Path, str] = field(default_factory=dict)  # checksums of the user's own data

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
            found, bad = self._trusted(folder)
            plan = blocks.plan(found, self.study.seeds(experiment), self.study.block_size)
            self._replace(folder, bad, found, plan)
            for block in set(plan) & set(found):
                path = folder / blocks.file_name(block)
                if not self._notice_stale(path, experiment, variant):
                    self._notice_other_data(path, experiment, variant)
            self._runs[folder] = plan
        return self._runs[folder]

    def sequences(self, sequence: str) -> list[Block]:
        """Blocks of a sequence that cover all runs that will meet it, or have met it."""
        folder = self.sequence_folder(sequence)
        if folder not in self._sequences:
            readers = {
                block
                for experiment, variant in self.users(sequence)
                for block in self.runs(experiment, variant)
            }
            found, _ = self._trusted(folder)
            self._sequences[folder] = blocks.plan_along(found, readers)
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
        if self._first_look(path):
            known = stage_code.checksum(name)
            bad = self._set_aside(path, store.check(path) or (why_other_data(path, known) if known else None))
            if not bad:
                self.disk.has_record(
                    path
                )  # a whole file is done, even if its job was killed before that was noted
            if not known and not bad:
                self._contents[path] = datasets.checksum(path)
        return path

    def metrics(self, experiment: str, variant: str) -> Path:
        """A variant's metrics file. A bad one is set aside and made again."""
        path = self.study.folder / "metrics" / experiment / f"{variant}.h5"
        if self._first_look(path) and self._set_aside(path, store.check(path)):
            self.disk.make_again(path)
        return path

    def _first_look(self, path: Path) -> bool:
        """Whether a file is there and was not looked at before."""
        if not self.disk.look or path in self._seen or not path.is_file():
            return False
        self._seen.add(path)
        return True

    def _set_aside(self, path: Path, reason: str | None) -> bool:
        """Set a file aside if there is a reason."""
        if reason:
            blocks.set_aside(path, reason, "it will be made again", not self.disk.rename, self.disk.say)
        return bool(reason)

    def _trusted(self, folder: Path) -> tuple[list[Block], list[Block]]:
        """Finished blocks that can be trusted, and those that cannot."""
        found = blocks.finished(folder)
        if not self.disk.look:
            return found, []
        bad = {path.name for path in blocks.set_aside_bad(folder, not self.disk.rename, self.disk.say)}
        return (
            [block for block in found if blocks.file_name(block) not in bad],
            [block for block in found if blocks.file_name(block) in bad],
        )

    def _replace(self, folder: Path, bad: list[Block], found: list[Block], plan: list[Block]) -> None:
        """Have the blocks made that stand in for bad ones, even where all that these went into is there."""
        for block in sorted(set(plan) - set(found)):
            if blocks.overlapping(bad, block):
                self.disk.make_again(folder / blocks.file_name(block))

    def _notice_stale(self, path: Path, experiment: str, variant: str) -> bool:
        """Without a record of how a file was made (a copied folder), ask the file itself."""
        if not self.disk.look or self.disk.has_record(path):
            return False
        settings = self.study.settings(experiment, variant)
        wanted = {"settings": settings, "code": stage_code.train(settings)}
        with store.open_checked(path) as file:
            reason = identity.mismatch(file.attrs, "run", experiment, variant, **wanted)
        return self._train_again(path, reason)

    def _notice_other_data(self, path: Path, experiment: str, variant: str) -> None:
        """Data of the user's own are in no job's params: ask the block what it was trained on."""
        name = stage_code.dataset_of(self.study.settings(experiment, variant))
        if name and stage_code.checksum(name) is None:
            content = self._contents.get(self.dataset(name))
            if content is not None:
                self._train_again(path, why_trained_on_other_data(path, content))

    def _train_again(self, path: Path, reason: str | None) -> bool:
        """Have a block trained again if there is a reason."""
        if reason:
            self.disk.say(f"{path}: {reason}; its seeds will be trained again")
            self.disk.make_again(path)
        return bool(reason)


def why_other_data(path: Path, checksum: str) -> str | None:
    """Why a data set file is not the one that the code asks for, or None when it is."""
    with store.open_checked(path) as file:
        recorded = str(file.attrs.get("sha256", ""))
    return f"holds other data (sha256 {recorded}, wanted {checksum})" if recorded != checksum else None


def why_trained_on_other_data(path: Path, checksum: str) -> str | None:
    """Why a finished block does not belong to a data set file, or None when it does."""
    with store.open_checked(path) as file:
        recorded = str(file.attrs.get("data_sha256", ""))
    return f"was trained on other data (sha256 {recorded or 'unknown'})" if recorded != checksum else None

"""Which jobs a run of the workflow would start, and which are done: counted as Snakemake counts them.

Asked of the files alone, without Snakemake's records. So one thing is seen by Snakemake only: that the code of a
cheap stage (metrics, figures, claims, report) was changed since its file was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from perennial.config import Study
from perennial.dag import blocks, planning, stage_code
from perennial.dag.blocks import Block
from perennial.files import store

NEW = "not there yet"
PULLED = "done, but its sequences or data are gone and have to be made for other blocks"
STAGES = ("dataset", "sequences", "train", "metrics", "figure", "claim", "report")


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    stage: str
    name: str  #: for people: `permuted_digits/cbp, seeds 0-9`
    reason: str | None  #: why it would run; None: it is done
    experiments: tuple[str, ...] = ()  #: whose target asks for it
    variant: str = ""
    block: Block | None = None
    path: Path = Path()


@dataclass
class Inventory:
    """Every job of some experiments.

    Args:
        study: the validated config at its scale.
        experiments: whose jobs are looked for.
    """

    study: Study
    experiments: list[str]
    _again: dict[Path, None] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        disk = planning.Disk(
            look=True,
            has_record=lambda path: False,  # each block says itself what it was made with
            make_again=lambda path: self._again.setdefault(Path(path)),
            say=self._note,
        )
        self.planner = planning.Planner(self.study, disk)
        self._blocks: dict[tuple[str, str], list[Job]] = {}
        self._metrics: dict[tuple[str, str], Job] = {}
        self._waits: dict[tuple[str, str], bool] = {}  # whether a variant has blocks to do

    def jobs(self, targets: Iterable[str] | None = None) -> list[Job]:
        """The jobs of all stages, upstream first.

        Args:
            targets: the experiments whose figures are asked for together; all of the inventory when not given.
        """
        asked = list(self.experiments if targets is None else targets)
        pairs = [(e, v) for e in asked for v in self.study.variants(e)]
        train = self._pulled([job for pair in pairs for job in self._train(*pair)])
        self._metrics = {}
        for job in train:
            self._waits[job.experiments[0], job.variant] = False
        self._waits |= {(job.experiments[0], job.variant): True for job in train if job.reason}
        metrics = [self._summary(*pair) for pair in pairs]
        pictures, claims = self._figures(asked), [self._claim(e) for e in asked]
        prepared = [*self._datasets(train), *self._sequences(train)]
        return [*prepared, *train, *metrics, *pictures, *claims, self._report(asked, [*pictures, *claims])]

    def _note(self, line: str) -> None:
        path, _, rest = line.partition(": ")
        self._said[path] = rest.split("; ")[0]

    def _why(self, path: Path) -> str | None:
        """Why a file would be made, as far as it alone shows that."""
        if said := self._said.get(str(path)):
            return said
        if not path.is_file():
            return NEW
        return "is made again" if path in self._again else None

    def _train(self, experiment: str, variant: str) -> list[Job]:
        """Blocks of a variant."""
        if (experiment, variant) not in self._blocks:
            folder, found = self.planner.run_folder(experiment, variant), []
            for block in self.planner.runs(experiment, variant):
                path = folder / blocks.file_name(block)
                name = f"{experiment}/{variant}, seeds {block[0]}-{block[1]}"
                found.append(Job("train", name, self._why(path), (experiment,), variant, block, path))
            self._blocks[experiment, variant] = found
        return self._blocks[experiment, variant]

    def _pulled(self, train: list[Job]) -> list[Job]:
        """Blocks; those that are done but read a file that is made for others are to do: Snakemake trains them too."""
        while True:
            made = {job.path for job in [*self._datasets(train), *self._sequences(train)] if job.reason}
            pulled = [
                replace(job, reason=PULLED) if not job.reason and self._reads(job) & made else job
                for job in train
            ]
            if pulled == train:
                return train
            train = pulled

    def _reads(self, job: Job) -> set[Path]:
        """Sequences and data of a block."""
        assert job.block is not None
        name = dataset_of(self.study, job.experiments[0])
        found = set(self.planner.sequences_of(job.experiments[0], job.variant, job.block))
        return found | ({self.planner.dataset(name)} if name else set())

    def _sequences(self, train: list[Job]) -> list[Job]:
        """Sequence files that the blocks read; a missing one that only finished blocks read is not made again."""
        needed: dict[Path, set[str]] = {}
        known: dict[Path, set[str]] = {}
        for job in train:
            for path in self.planner.sequences_of(job.experiments[0], job.variant, job.block):
                known.setdefault(path, set()).add(job.experiments[0])
                if job.reason:
                    needed.setdefault(path, set()).add(job.experiments[0])
        return [
            Job(
                "sequences",
                f"{path.parent.name}, {path.stem.replace('_', ' ')}",
                reason,
                tuple(sorted(users)),
                path=path,
            )
            for path, users in known.items()
            if (reason := self._why(path)) is None or path in needed
        ]

    def _datasets(self, train: list[Job]) -> list[Job]:
        users: dict[str, set[str]] = {}
        for job in train:
            if name := dataset_of(self.study, job.experiments[0]):
                users.setdefault(name, set()).update(job.experiments if job.reason else ())
        found = []
        for name, experiments in users.items():
            path = self.planner.dataset(name)
            reason = self._why(path)
            if reason is None or experiments:
                found.append(Job("dataset", name, reason, tuple(sorted(experiments)), path=path))
        return found

    def _summary(self, experiment: str, variant: str) -> Job:
        """The metrics of a variant."""
        if (experiment, variant) not in self._metrics:
            train, path = self._train(experiment, variant), self.planner.metrics(experiment, variant)
            waits = self._waits.get((experiment, variant), any(job.reason for job in train))
            reason = "its blocks change" if waits else self._why(path)
            reason = reason or self._outdated([path], [job.path for job in train])
            if reason is None and _seeds(path) != self.study.seeds(experiment):
                reason = "other seeds"
            job = Job("metrics", f"{experiment}/{variant}", reason, (experiment,), variant, path=path)
            self._metrics[experiment, variant] = job
        return self._metrics[experiment, variant]

    def _figures(self, asked: list[str]) -> list[Job]:
        """Figures that only these experiments list; see `pictures` in rules/common.smk."""
        found = []
        for name, owners in self.study.figures().items():
            if not set(owners) <= set(asked):
                continue
            shown = [self._summary(*pair) for pair in self.study.shown[name]]
            outputs = [self.study.folder / "figures" / f"{name}.{kind}" for kind in ("svg", "png")]
            found.append(Job("figure", name, self._after(outputs, shown), tuple(owners), path=outputs[0]))
        return found

    def _claim(self, experiment: str) -> Job:
        outputs = [self.study.folder / "claims" / f"{experiment}.{kind}" for kind in ("csv", "json")]
        read = [self._summary(experiment, variant) for variant in self.study.variants(experiment)]
        return Job("claim", experiment, self._after(outputs, read), (experiment,), path=outputs[0])

    def _report(self, asked: list[str], read: list[Job]) -> Job:
        outputs = [self.study.folder / name for name in ("report.html", "claims.csv")]
        return Job("report", "report", self._after(outputs, read), tuple(asked), path=outputs[0])

    def _after(self, outputs: list[Path], read: list[Job]) -> str | None:
        """Why files that are made from those of other jobs would be made."""
        missing = next((why for path in outputs if (why := self._why(path))), None)
        if missing or any(job.reason for job in read):
            return missing or "what it shows changes"
        return self._outdated(outputs, [job.path for job in read])

    def _outdated(self, outputs: list[Path], inputs: list[Path]) -> str | None:
        newest = max((path.stat().st_mtime for path in inputs), default=0)
        return "older than what it is made from" if newest > min(p.stat().st_mtime for p in outputs) else None


def dataset_of(study: Study, experiment: str) -> str | None:
    """The data set of an experiment's problem, if it has one."""
    return stage_code.dataset_of(study.settings(experiment, study.variants(experiment)[0]))


def _seeds(path: Path) -> list[int] | None:
    """Seeds of a metrics file."""
    with store.open_checked(path) as file:
        seeds: Any = file.attrs.get("seeds")
        return None if seeds is None else [int(seed) for seed in np.atleast_1d(seeds)]

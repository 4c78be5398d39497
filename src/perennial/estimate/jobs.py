"""The jobs of some targets: those that a run would start, and those whose files are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from perennial.config import Study
from perennial.dag import blocks, planning
from perennial.estimate.dry_run import Job, dry_run
from perennial.files import store

ALL = "all"  # the target of a plain run


@dataclass
class Jobs:
    """What one dry run lists, parted by targets.

    Args:
        study: the validated config.
        targets: experiments, and perhaps `all`.
    """

    study: Study
    targets: list[str]
    to_do: list[Job] = field(init=False)

    def __post_init__(self) -> None:
        self.to_do = dry_run(self.study, self.targets)
        self._made = {path: job for job in self.to_do for path in job.outputs}
        self._named = {job.rule: job for job in self.to_do if not job.outputs}
        self._again: dict[tuple[str, str], set[int]] = {}
        for job in self.to_do:
            if job.rule == "train":
                self._again.setdefault(job.pair, set()).update(job.seeds)
        # It trusts the names of files, into which Snakemake has looked.
        self.planner = planning.Planner(self.study)

    def of(self, targets: Iterable[str]) -> list[Job]:
        """Jobs to do for some of the targets: their own, and all whose files these read."""
        found: dict[int, Job] = {}
        waiting = [self._named[name] for name in targets if name in self._named]
        while waiting:
            job = waiting.pop()
            if id(job) not in found:
                found[id(job)] = job
                waiting += [self._made[path] for path in job.inputs if path in self._made]
        # The target of an experiment refreshes the report; `all` does nothing of its own.
        own = (job for job in found.values() if job.rule != ALL)
        return [replace(job, rule="report") if job.rule in self.targets else job for job in own]

    def done(self, experiments: Iterable[str]) -> list[Job]:
        """Jobs of experiments whose files are there and stay."""
        found = {job.outputs: job for job in self._expected(list(experiments)) if self._stays(job)}
        return list(found.values())

    def _stays(self, job: Job) -> bool:
        there = all(Path(path).is_file() and path not in self._made for path in job.outputs)
        if job.rule != "train" or not there:
            return there
        return not self._again.get(job.pair, set()) & set(job.seeds)  # one that is damaged is cut anew

    def _expected(self, experiments: list[str]) -> Iterator[Job]:
        """Every job whose files a finished run has."""
        for experiment in experiments:
            for variant in self.study.variants(experiment):
                yield from self._of_variant({"experiment": experiment, "variant": variant})
            paths = [self.study.folder / "claims" / f"{experiment}.{kind}" for kind in ("csv", "json")]
            yield Job("claim", {"experiment": experiment}, outputs=tuple(map(str, paths)))
        for figure, owners in self.study.figures().items():
            if set(owners) <= set(experiments):
                paths = [self.study.folder / "figures" / f"{figure}.{kind}" for kind in ("svg", "png")]
                yield Job("figure", {"figure": figure}, outputs=tuple(map(str, paths)))

    def _of_variant(self, names: dict[str, str]) -> Iterator[Job]:
        for block in self.planner.runs(**names):
            yield _training(self.planner, names, block)
            for met in self.planner.sequences_of(**names, block=block):
                yield Job("sequences", {"sequence": met.parent.name}, outputs=(str(met),))
        yield Job("metrics", names, outputs=(str(self.planner.metrics(**names)),))


def _training(planner: planning.Planner, names: dict[str, str], block: blocks.Block) -> Job:
    path = planner.run_folder(**names) / blocks.file_name(block)
    return Job("train", {**names, "block": f"{block[0]}-{block[1]}"}, outputs=(str(path),))


def finished_blocks(study: Study, experiments: list[str]) -> list[Job]:
    """Training jobs of experiments whose files are whole, up to date or not."""
    planner, found = planning.Planner(study), []
    for experiment in experiments:
        for variant in study.variants(experiment):
            names = {"experiment": experiment, "variant": variant}
            found += [_training(planner, names, block) for block in planner.runs(**names)]
    paths = ((job, Path(job.outputs[0])) for job in found)
    return [job for job, path in paths if path.is_file() and store.check(path) is None]

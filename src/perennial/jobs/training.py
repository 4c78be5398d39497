"""Train one block of seeds of one variant and write its run file.

Parallelism is over runs: some engines train each run by itself on a thread, or eight in the lanes of a vector; the
others train all runs of the block as one stack. A run's numbers are the same either way, whatever the block, and
however often it was killed and started again. The loop, the checkpoints and the progress are here; what is computed is
the course's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from perennial import datasets, procedures, registry
from perennial.files import identity as identities
from perennial.files import provenance, seams, series, store
from perennial.jobs import checkpoint, devices, outcome, sequences
from perennial.jobs.outcome import Outcome
from perennial.jobs.progress import Progress
from perennial.jobs.sequences import check_settings
from perennial.learning import engines
from perennial.procedures import Course, Group


def train_block(
    settings: dict[str, Any],
    seeds: list[int],
    output: Path,
    *,
    sequences: list[Path],
    dataset: Path | None = None,
    engine: str = "auto",
    device: str = "auto",
    portable: bool = True,
    threads: int = 1,
    code: str = "",
    experiment: str = "",
    variant: str = "",
    label: str = "training",
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60,
) -> None:
    """Train the runs of `seeds` and write them to `output`.

    Args:
        settings: canonical settings of the variant.
        seeds: the block.
        output: the run file to write; see results/README.md for its schema.
        sequences: files that hold the sequences of these seeds.
        dataset: file of the problem's data set, if it has one.
        engine: auto, or a name in `engines.NAMES`.
        device: auto, cpu or cuda.
        portable: loops are compiled for x86-64-v3; otherwise for the processor at hand, with the same numbers.
        threads: groups of runs trained at the same time (engines for the CPU that have groups, `engines.GROUPS`).
        code: hash of the code that determines the runs.
        experiment, variant: what the runs are of; their file and their checkpoints say so.
        label: name for progress lines.
        checkpoints: folder for the block's checkpoints; gone when the block is done. None: a kill costs the block.
        checkpoint_seconds: at least so long between two of them.

    Raises:
        checkpoint.InUse: another process trains the block.
        stopping.Stopped: a signal asked for it; the checkpoints are up to date.
        engines.Unsupported: the engine or the device cannot train the variant, or the GPUs that may be seen are
            no list of GPUs.
        store.BadFile: a sequence or data file is damaged, or holds the sequences of another problem.
        store.CannotWrite: no space, no permission, or the like; what can be kept is in the checkpoints.
    """
    need = procedures.need(settings)
    devices.hold_for(need, engine, device, label)
    chosen = engines.choose(need, engine, device) if need else "stacked"
    chosen_device = engines.device_of(chosen, device)
    if chosen in engines.GROUPS:
        from perennial.files import compilation  # numba is slow to import, and not every engine needs it

        compilation.compile_for(portable)
    data = datasets.checksum(dataset) if dataset else ""
    identity = {"settings": settings, "code": code, "data": data, "engine": chosen, "device": chosen_device}
    identity |= {"versions": provenance.versions(), "experiment": experiment, "variant": variant}
    check_settings(sequences, settings)
    inputs = provenance.checksums([*sequences, *filter(None, [dataset])], output)
    made = provenance.record("run", settings, code, inputs, engine=chosen, device_kind=chosen_device)
    made["same_bits"] = engines.same_bits(chosen, list(settings.get("measures", {})))
    with checkpoint.opened(checkpoints, identity, checkpoint_seconds) as kept:
        found = train(settings, seeds, sequences, dataset, chosen, threads, label, chosen_device, kept)
        if line := series.told(series.diverged(found.diverged, seeds), len(seeds)):
            checkpoint.say(f"{label}: {line}")

        def fill(file: Any) -> None:
            _fill(file, found, seeds)
            provenance.finish(file, made)
            file.attrs.update(identities.attributes(experiment, variant, seeds))
            file.attrs.update({"data_sha256": data, "threads": threads})
            file.attrs.update(kept.times())
            file.attrs["run_steps"] = kept.done * len(seeds)
            file.attrs["run_steps_done"], file.attrs["starts"] = kept.tally.steps, kept.tally.starts
            file.attrs["peak_memory_bytes"] = provenance.peak_memory_bytes()

        try:
            seams.reach("training.before_write", Path(output))
            store.write(Path(output), fill)
        except store.CannotWrite as error:
            raise store.CannotWrite(output, error, kept.save_and_promise()) from None
        kept.remove()


def train(
    settings: dict[str, Any],
    seeds: list[int],
    sequence_files: list[Path],
    dataset: Path | None,
    engine: str,
    threads: int = 1,
    label: str = "training",
    device: str = "cpu",
    kept: checkpoint.Checkpoints | None = None,
) -> Outcome:
    """Train and return what was measured and the last state, runs in the order of `seeds`."""
    met = sequences.read([Path(path) for path in sequence_files], seeds)
    data = datasets.read(Path(dataset)) if dataset else None
    size = engines.GROUPS.get(engine, len(seeds))
    parts = [list(range(len(seeds)))[first : first + size] for first in range(0, len(seeds), size)]
    kept = kept or checkpoint.Checkpoints(None, {})
    keepers = kept.groups([[seeds[k] for k in part] for part in parts])
    start = registry.module("procedures", settings["procedure"]["name"]).start

    def begin(part: list[int]) -> Course:
        own_seeds, own_met = [seeds[k] for k in part], [met[k] for k in part]
        return start(Group(settings, own_seeds, own_met, data, engine, device))

    first = begin(parts[0])
    progress = _progress(label, first.total // len(parts[0]) * len(seeds))
    if done := sum(keeper.steps * len(part) for keeper, part in zip(keepers, parts, strict=True)):
        progress.skip(done)
        checkpoint.say(f"{label}: resumed at step {done:,} of {progress.total:,}")

    def count(steps: int) -> None:
        kept.tally.add(steps)
        progress.add(steps)

    def go(part: list[int], keeper: checkpoint.Group, course: Course | None = None) -> Outcome:
        before = keeper.steps
        course = keeper.resumed(course or begin(part), lambda: begin(part))
        progress.skip((keeper.steps - before) * len(part))  # less, where a checkpoint was of no use
        return _follow(course, len(part), keeper, count)

    begun = go(parts[0], keepers[0], first)  # alone: it compiles what the others share
    kept.done = first.total // len(parts[0])
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        return outcome.join([begun, *pool.map(go, parts[1:], keepers[1:])])


def _follow(course: Course, runs: int, keeper: checkpoint.Group, count: Any) -> Outcome:
    """Take a group of runs to the end of its course, from where it stands."""
    done = keeper.steps * runs
    for run_steps in course.pieces():
        done += run_steps
        count(run_steps)
        keeper.offer(done // runs, course.snapshot, finished=done == course.total)
    keeper.arrived(done, course.total)
    return outcome.of(course)


def _progress(label: str, total: int) -> Progress:
    unit = ("M steps", 1_000_000) if total >= 10_000_000 else ("steps", 1)
    return Progress(label, total, unit=unit[0], size=unit[1])


def _fill(file: Any, found: Outcome, seeds: list[int]) -> None:
    """Write an outcome into an open run file."""
    for r, seed in enumerate(seeds):
        file.create_group(series.group_of(seed)).attrs["state_sha256"] = outcome.digest(found.state, r)
    for seed, step in series.diverged(found.diverged, seeds).items():
        file[series.group_of(seed)].attrs[series.DIVERGED] = step
    for one in found.series:
        series.write(file, one, seeds)

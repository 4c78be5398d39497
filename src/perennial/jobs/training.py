"""Train one block of seeds of one variant and write its run file.

Parallelism is over runs: some engines train each run by itself on a thread, the others train all runs of
the block as one stack. A run's numbers are the same either way, whatever the block, and however often it was killed
and started again.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from perennial import datasets, registry
from perennial.files import provenance, seams, store
from perennial.jobs import checkpoint, devices, sequences
from perennial.jobs.progress import Progress
from perennial.learning import engines
from perennial.procedures import Measurement, Outcome


def train_block(
    settings: dict[str, Any],
    seeds: list[int],
    output: Path,
    *,
    sequences: list[Path],
    dataset: Path | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int = 1,
    code: str = "",
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
        threads: runs trained at the same time (engines fused and pooled).
        code: hash of the code that determines the runs.
        label: name for progress lines.
        checkpoints: folder for the block's checkpoints; gone when the block is done. None: a kill costs the block.
        checkpoint_seconds: at least so long between two of them.

    Raises:
        checkpoint.InUse: another process trains the block.
        stopping.Stopped: a signal asked for it; the checkpoints are up to date.
        engines.Unsupported: the engine or the device cannot train the variant, or the GPUs that may be seen are
            no list of GPUs.
        store.BadFile: a sequence or data file is damaged.
        store.CannotWrite: no space, no permission, or the like; what can be kept is in the checkpoints.
    """
    devices.hold_for(settings, engine, device, label)
    chosen = engines.choose(settings, engine, device)
    place = engines.place(chosen, device)
    data = datasets.checksum(dataset) if dataset else ""
    identity = {"settings": settings, "code": code, "data": data, "engine": chosen, "device": place}
    identity |= {"versions": provenance.versions()}
    inputs = provenance.checksums([*sequences, *filter(None, [dataset])], output)
    made = provenance.record("run", settings, code, inputs, engine=chosen, place=place)
    with checkpoint.opened(checkpoints, identity, checkpoint_seconds) as kept:
        outcome = train(settings, seeds, sequences, dataset, chosen, threads, label, place, kept)

        def fill(file: Any) -> None:
            _fill(file, outcome, seeds)
            provenance.finish(file, made)
            file.attrs.update({"seeds": np.array(seeds), "data_sha256": data, "threads": threads})
            file.attrs.update(kept.times())
            file.attrs["run_steps"] = outcome.steps * len(seeds)
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
    procedure = registry.module("procedures", settings["procedure"]["name"])
    met = sequences.read([Path(path) for path in sequence_files], seeds)
    data = datasets.read(Path(dataset)) if dataset else None
    total = _total_steps(settings, seeds, met, data)
    unit = ("M steps", 1_000_000) if total >= 10_000_000 else ("steps", 1)
    progress = Progress(label, total, unit=unit[0], size=unit[1])
    groups = [[k] for k in range(len(seeds))] if engine in engines.ONE_BY_ONE else [list(range(len(seeds)))]
    kept = kept or checkpoint.Checkpoints(None, {})
    keepers = kept.groups([[seeds[k] for k in group] for group in groups])
    if done := sum(keeper.steps * len(group) for keeper, group in zip(keepers, groups, strict=True)):
        progress.skip(done)
        checkpoint.say(f"{label}: resumed at step {done:,} of {progress.total:,}")

    def count(steps: int) -> None:
        kept.tally.add(steps)
        progress.add(steps)

    def go(group: list[int], keeper: checkpoint.Group) -> Outcome:
        own, own_met = [seeds[k] for k in group], [met[k] for k in group]
        return procedure.run(settings, own, own_met, data, engine, count, device, keeper)

    first = go(groups[0], keepers[0])  # alone: it compiles what the others share
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        return _join([first, *pool.map(go, groups[1:], keepers[1:])])


def _total_steps(settings: dict[str, Any], seeds: list[int], met: list[Any], data: Any) -> int:
    """Run-steps of the block, from the first task of the first run."""
    module = registry.module("problems", settings["problem"]["name"])
    problem = module.Problem(registry.parse("problems", settings["problem"]), seeds[0], met[0], data)
    procedure = registry.module("procedures", settings["procedure"]["name"])
    return procedure.steps(settings, problem) * settings["length"] * len(seeds)


def _join(outcomes: list[Outcome]) -> Outcome:
    """The outcomes of several groups as one, along axis r."""
    one = outcomes[0]
    found: dict[str, Measurement] = {}
    for name, measurement in one.measurements.items():
        values = np.concatenate([outcome.measurements[name].values for outcome in outcomes])
        found[name] = replace(measurement, values=values)
    return Outcome(found, _concatenate([outcome.state for outcome in outcomes]), one.steps)


def _concatenate(trees: list[Any]) -> Any:
    if isinstance(trees[0], dict):
        return {key: _concatenate([tree[key] for tree in trees]) for key in trees[0]}
    return np.concatenate(trees)


def state_digest(state: dict[str, Any], run: int) -> str:
    """SHA-256 over every array of one run's state, in the order of their names."""
    digest = hashlib.sha256()

    def visit(tree: Any, path: str) -> None:
        if isinstance(tree, dict):
            for key in sorted(tree):
                visit(tree[key], f"{path}/{key}")
            return
        digest.update(path.encode() + str(tree.dtype).encode() + np.ascontiguousarray(tree[run]).tobytes())

    visit(state, "")
    return digest.hexdigest()


def _fill(file: Any, outcome: Outcome, seeds: list[int]) -> None:
    for name, measurement in outcome.measurements.items():
        for axis, values in measurement.coordinates.items():
            file.create_dataset(f"coordinates/{name}/{axis}", data=values)
    for r, seed in enumerate(seeds):
        group = file.create_group(f"seed_{seed:04d}")
        group.attrs["state_sha256"] = state_digest(outcome.state, r)
        for name, measurement in outcome.measurements.items():
            data = group.create_dataset(name, data=measurement.values[r], chunks=True)
            data.attrs["axes"] = json.dumps(measurement.axes)
            for key in ("units", "description", "source"):
                data.attrs[key] = getattr(measurement, key)

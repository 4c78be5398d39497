"""A small block that is trained in processes of its own, which may be killed. They are forks, so they start at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from fidelity import passes, support
from fidelity.passes import IMAGENET
from fidelity.support import DIGITS, MNIST, REGRESSION

from perennial import registry
from perennial.files import seams, store
from perennial.jobs import sequences, training
from perennial.jobs.job import logged
from perennial.jobs.progress import Progress

SEEDS, IMAGES = [0, 1, 2], 100
FORK = multiprocessing.get_context("fork")

#: (problem, engine) -> settings of a block of a second or so. Another line here is killed like the others.
SHAPES: dict[tuple[str, str], dict[str, Any]] = {
    (REGRESSION, "fused"): {"flip_every": 3000, "length": 15},
    (REGRESSION, "stacked"): {"flip_every": 10, "length": 30},
    (DIGITS, "fused"): {"probe_examples": 10, "length": 15},
    (DIGITS, "stacked"): {"probe_examples": 10, "length": 3},
    (MNIST, "fused"): {"probe_examples": 10, "task_examples": 100, "length": 8, "precision": "float32"},
    (MNIST, "stacked"): {"probe_examples": 10, "task_examples": 100, "length": 2, "precision": "float32"},
    (IMAGENET, "pooled"): {"epochs": 10, "length": 4, "precision": "float32"},
    (IMAGENET, "stacked"): {"epochs": 10, "length": 3, "precision": "float32"},
}
#: Shallow enough to learn within a second: what the tests measure moves.
CONVNET = passes.CONVNET | {"channels": [4, 6], "hidden": [10]}
DATASETS = support.DATASETS | {"imagenet32": lambda images: passes.images()}


def settings(problem: str, engine: str, **changes: Any) -> dict[str, Any]:
    """Settings of the block: continual backpropagation with all that can be measured.

    Args:
        changes: to what stands in `SHAPES`.
    """
    shape = SHAPES[problem, engine] | changes
    if problem == IMAGENET:
        algorithm = passes.CBP | {"replacement_rate": 0.01}
        return passes.variant(algorithm, network=CONVNET, **shape)
    measures = {"squared_error" if problem == REGRESSION else "online_accuracy": {"every": 2}}
    internals = [
        name for name in registry.names("measures") if registry.module("measures", name).KIND == "internals"
    ]
    measures |= {name: {"every": 3} for name in internals}
    return support.small(problem, "cbp", measures=measures, **shape)


def contents(run_file: Path) -> dict[str, Any]:
    """All that a run file holds but its cost and the commit: settings, measured numbers, last states' digests."""
    with store.open_checked(run_file) as file:
        others = {"wall_seconds", "cpu_seconds", "saving_seconds", "peak_memory_bytes", "git"}
        others |= {"run_steps_done", "starts"}
        found = {key: str(value) for key, value in file.attrs.items() if key not in others}

        def visit(name, node):
            found[name] = dict(node.attrs.items())
            if hasattr(node, "shape"):
                found[name]["data"] = node[...].dtype.str, node.shape, node[...].tobytes()

        file.visititems(visit)
    return found


class Block:
    """A small block in a folder; `train` is what a job does."""

    def __init__(
        self, folder: Path, problem: str = REGRESSION, engine: str = "fused", **changes: Any
    ) -> None:
        self.folder, self.engine = folder, engine
        self.checkpoints, self.output = folder / "checkpoints", folder / "runs.h5"
        self.sequences = folder / "sequences.h5"
        self.settings = settings(problem, engine, **changes)
        sequences.make_block(self.settings, SEEDS, self.sequences)
        self.dataset = None
        if name := registry.module("problems", problem).DATASET:
            self.dataset = folder / f"{name}.h5"
            images = DATASETS[name](IMAGES).items()
            store.write(self.dataset, lambda file: [file.create_dataset(k, data=v) for k, v in images])
        self.logged_to = folder / "log"
        self._done, self._went_on = (FORK.Value("q", -1, lock=False) for _ in range(2))

    @property
    def done(self) -> int:
        """Run-steps done in the life of the last start, with those it went on from; -1 before it trains."""
        return self._done.value

    @property
    def went_on(self) -> int:
        """Run-steps that the last start found done."""
        return self._went_on.value

    def train(self, **changes: Any) -> None:
        """What a job does, in this process; saves at every chance."""
        given = {
            "sequences": [self.sequences],
            "dataset": self.dataset,
            "engine": self.engine,
            "code": "abc",
            "label": "block",
            "checkpoints": self.checkpoints,
            "checkpoint_seconds": 0,
        }
        training.train_block(self.settings, SEEDS, self.output, **(given | changes))

    def start(self, fault: str = "", **changes: Any) -> ForkProcess:
        """The job in a process of its own. Its log is that of the last start, as under Snakemake.

        Args:
            fault: what happens at which seam; see `perennial.files.seams`.
            changes: to the arguments of `train_block`.
        """
        self._done.value, self._went_on.value = -1, 0
        return self.fork(lambda: self._train_and_count(**changes), fault)

    def fork(self, work: Callable[[], Any], fault: str = "") -> ForkProcess:
        """Any work as a job in a process of its own."""

        def job() -> None:
            os.environ[seams.VARIABLE] = fault
            with logged(self.logged_to):
                work()

        process = FORK.Process(target=job)
        process.start()
        return process

    def _train_and_count(self, **changes: Any) -> None:
        done, went_on = self._done, self._went_on

        class Counted(Progress):
            def skip(self, steps: int) -> None:
                super().skip(steps)
                done.value = went_on.value = self.done

            def add(self, steps: int) -> None:
                super().add(steps)
                done.value = self.done

        training.Progress = Counted  # of this process only
        self.train(**changes)

    def finish(self, **changes: Any) -> str:
        """Start the job and wait for its end; its log."""
        process = self.start(**changes)
        process.join(60)
        assert process.exitcode == 0, self.log()
        return self.log()

    def result(self) -> dict[str, Any]:
        """What the run file holds."""
        return contents(self.output)

    def log(self) -> str:
        """What the last start said."""
        return self.logged_to.read_text()

    def complaints(self) -> list[str]:
        """The same, but progress."""
        return [line for line in self.log().splitlines() if not line.startswith("block: ")]

    def saves(self) -> list[Path]:
        """The checkpoints that are there, of each group of runs the newest last."""
        return sorted(self.checkpoints.glob("*.h5"))

    def saved(self) -> int:
        """Run-steps that the checkpoints hold."""
        newest = {path.name.split(".")[0]: path for path in self.saves()}
        runs = len(SEEDS) if self.engine == "stacked" else 1
        return sum(int(path.name.split(".")[-2]) * runs for path in newest.values())

    def start_and_wait_for(self, saves: int) -> ForkProcess:
        """A job that runs, and has left so many checkpoints."""
        process, end = self.start(), time.monotonic() + 60
        while len(self.saves()) < saves and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
        return process

    def wait_for_training(self, process: ForkProcess) -> None:
        """Until the job has learnt something."""
        end = time.monotonic() + 60
        while self.done < 0 and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)

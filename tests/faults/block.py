"""A small block that is trained in processes of its own, which may be killed. They are forks, so they start at once."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial import checkpoint, metrics, sequences, stopping, store, training
from perennial.job import logged

SEEDS, IMAGES = [0, 1, 2], 100
FORK = multiprocessing.get_context("fork")
SHAPES = {
    (REGRESSION, "fused"): {"flip_every": 3000, "tasks": 40},
    (REGRESSION, "stacked"): {"flip_every": 10, "tasks": 30},
    (DIGITS, "fused"): {"probe_examples": 10, "tasks": 40},
    (DIGITS, "stacked"): {"probe_examples": 10, "tasks": 3},
}


class Block:
    """A small block in a folder; `train` is what a job does."""

    def __init__(
        self, folder: Path, problem: str = REGRESSION, engine: str = "fused", **changes: Any
    ) -> None:
        self.folder, self.engine = folder, engine
        self.checkpoints, self.output = folder / "checkpoints", folder / "runs.h5"
        self.sequences = folder / "sequences.h5"
        measures = {"squared_error" if problem == REGRESSION else "online_accuracy": {"every": 2}}
        internals = [name for name in metrics.names() if metrics.module(name).KIND == "internals"]
        measures |= {name: {"every": 3} for name in internals}
        shape = SHAPES[problem, engine] | changes
        self.settings = support.small(problem, "cbp", measures=measures, **shape)
        sequences.make_block(self.settings, SEEDS, self.sequences)
        self.dataset = None
        if problem == DIGITS:
            self.dataset = folder / "digits.h5"
            images = support.digits(IMAGES).items()
            store.write(self.dataset, lambda file: [file.create_dataset(k, data=v) for k, v in images])

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

    def start(self, **changes: Any) -> multiprocessing.Process:
        """The job in a process of its own. Its log is that of the last start, as under Snakemake."""

        def job() -> None:
            with logged(self.folder / "log", clear=(stopping.Stopped, checkpoint.InUse)):
                self.train(**changes)

        process = FORK.Process(target=job)
        process.start()
        return process

    def finish(self, **changes: Any) -> str:
        """Start the job and wait for its end; its log."""
        process = self.start(**changes)
        process.join(60)
        assert process.exitcode == 0, self.log()
        return self.log()

    def result(self) -> dict[str, Any]:
        """All that the run file holds but what the work cost."""
        with store.open_checked(self.output) as file:
            cost = (
                "wall_seconds",
                "cpu_seconds",
                "saving_seconds",
                "peak_memory_bytes",
                "run_steps_done",
                "starts",
            )
            found = {key: str(value) for key, value in file.attrs.items() if key not in cost}

            def visit(name, node):
                found[name] = dict(node.attrs.items())
                if hasattr(node, "shape"):
                    found[name]["data"] = node[...].dtype.str, node.shape, node[...].tobytes()

            file.visititems(visit)
        return found

    def log(self) -> str:
        """What the last start said."""
        return (self.folder / "log").read_text()

    def saves(self) -> list[Path]:
        """The checkpoints that are there, of each group of runs the newest last."""
        return sorted(self.checkpoints.glob("*.h5"))

    def start_and_wait_for(self, saves: int) -> multiprocessing.Process:
        """A job that runs, and has left so many checkpoints."""
        process, end = self.start(), time.monotonic() + 60
        while len(self.saves()) < saves and process.is_alive() and time.monotonic() < end:
            time.sleep(0.001)
        return process

"""What surrounds training, timed on this machine: the start of each stage's process, a picture, HDF5 files."""

from __future__ import annotations

import ast
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perennial.analyses import summary
from perennial.files import store
from perennial.jobs import training
from perennial.jobs.outcome import Outcome
from perennial.procedures import Series

SCRIPTS = Path(__file__).parents[2]
STAGES = ("dataset", "sequences", "train", "metrics", "figure", "claim", "report")  #: rules with a script
SNAKEMAKE = "import snakemake.script\n"  # what Snakemake puts before each script needs it
PICTURE = """
import io
from matplotlib.figure import Figure
figure = Figure((7, 5)); axes = figure.subplots()
axes.plot(range(100)); axes.fill_between(range(100), range(100))
for kind in ("svg", "png"): figure.savefig(io.BytesIO(), format=kind, dpi=160)
"""


@dataclass(frozen=True)
class Overheads:
    """CPU seconds and bytes beside training."""

    snakemake: float  #: the start of Snakemake itself
    stages: dict[str, float] = field(default_factory=dict)  #: of one job, beside its own work
    file: int = 0  #: bytes of an empty run file
    series: int = 0  #: bytes of one measure of one seed in a run file, beside its numbers
    summary: float = 0.0  #: seconds of gathering one measure of one seed


def measure() -> Overheads:
    """Time everything, in processes of their own."""
    picture = {"figure": PICTURE}
    stages = {name: _cpu(SNAKEMAKE + _imports(name) + picture.get(name, "")) for name in STAGES}
    return Overheads(_cpu("import snakemake.cli, snakemake.workflow"), stages, *_files())


def _imports(stage: str) -> str:
    """The import statements of a stage's script."""
    path = SCRIPTS / f"{stage}.py"
    if not path.is_file():
        return ""
    nodes = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(map(ast.unparse, nodes)) + "\n"


def _cpu(code: str) -> float:
    """CPU seconds of a Python process that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _files() -> tuple[int, int, float]:
    """Write and gather small run files of several sizes: bytes of a file, bytes and seconds of a series in it."""
    with tempfile.TemporaryDirectory() as folder:
        sizes, times = [], []
        for seeds in (1, 9):
            path = _run_file(Path(folder) / f"seeds_0-{seeds - 1}.h5", seeds)
            sizes.append(path.stat().st_size)
            begin = time.process_time()
            summary.summarise([path], range(seeds), range(seeds), Path(folder) / f"{seeds}.h5", "e", "v")
            times.append(time.process_time() - begin)
    series = (sizes[1] - sizes[0]) / 8 / 2
    return round(sizes[0] - 2 * series), round(series), max(times[1] - times[0], 0.0) / 8 / 2


def _run_file(path: Path, seeds: int) -> Path:
    """A run file with two series of one number."""
    one = [
        Series(name, "task", [np.ones(1)], [np.zeros(1)] * seeds, "units", "a description", "a source")
        for name in ("a", "b")
    ]
    outcome = Outcome(one, {"weights": np.zeros((seeds, 1))})

    def fill(file: Any) -> None:
        file.attrs.update({"seeds": np.arange(seeds), "settings": json.dumps({})})
        training._fill(file, outcome, list(range(seeds)))

    store.write(path, fill)
    return path

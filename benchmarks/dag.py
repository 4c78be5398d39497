"""How long planning takes for a thousand training jobs: nothing there yet, and everything done.

    python benchmarks/dag.py            writes benchmarks/dag.md

The laptop study in blocks of one seed. Finished files are made up: the right names and identity, invented numbers.
A figure is the median of fresh processes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from perennial import config, datasets
from perennial.dag import stage_code
from perennial.files import provenance, store

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("dag.md")
ROUNDS = 3
SEEDS = {"slowly_changing_regression": 34, "permuted_digits": 17}  # of 27 and 5 variants: 1,003 blocks
POINTS = 75  # of each invented curve


def write_config(folder: Path) -> config.Study:
    """The laptop study with more seeds, in blocks of one."""
    text = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    known = config.load(ROOT / "config.yaml").all_experiments
    more = {name: {**known[name].scales["laptop"].model_dump(), "seeds": n} for name, n in SEEDS.items()}
    text["experiments"] = {name: {"scales": {"many": much}} for name, much in more.items()}
    text |= {
        "scale": "many",
        "block_size": 1,
        "studies": [str(ROOT / "studies" / name) for name in text["studies"]],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    return config.load(path)


def write_sealed(path: Path, attributes: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """A sealed file with invented content."""

    def fill(file: Any) -> None:
        file.attrs.update(attributes)
        for name, values in arrays.items():
            file.create_dataset(name, data=values)

    store.write(path, fill)


def write_results(folder: Path, study: config.Study) -> int:
    """All files of the finished study under `folder`; the number of blocks."""
    results, blocks = folder / study.folder, 0
    for experiment in study.experiments():
        for variant in study.variants(experiment):
            settings = study.settings(experiment, variant)
            if name := stage_code.dataset_of(settings):
                datasets.make(name, folder / study.results / "data" / f"{name}.h5", None)
            attributes = {"kind": "run", "settings": json.dumps(settings, sort_keys=True)}
            attributes |= {"code": stage_code.train(settings), "versions": json.dumps(provenance.versions())}
            sequence = study.sequence(experiment, variant)
            for seed in study.all_seeds(experiment):
                name, curve = f"seeds_{seed}-{seed}.h5", np.linspace(seed, seed + 1, POINTS)
                arrays = {f"seed_{seed:04d}/{measure}": curve for measure in settings["measures"]}
                write_sealed(results / "runs" / experiment / variant / name, attributes, arrays)
                path = results / "sequences" / sequence / name
                if not path.exists():
                    write_sealed(path, {"kind": "sequences"}, {"bits": np.zeros(300, np.int64)})
                blocks += 1
            write_sealed(
                results / "metrics" / experiment / f"{variant}.h5", {"kind": "metrics"}, {"a": curve}
            )
    others = [f"figures/{figure}.{kind}" for figure in study.figures() for kind in ("svg", "png")]
    others += [f"claims/{name}.{kind}" for name in study.experiments() for kind in ("csv", "json")]
    for name in (*others, "report.html", "claims.csv"):
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("invented\n", encoding="utf-8")
    return blocks


def snakemake(folder: Path, *arguments: str) -> tuple[float, float, str]:
    """Wall and processor seconds of a fresh process, and what it said."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--workflow-profile", str(ROOT / "profiles/default"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu, done.stdout + done.stderr


def row(what: str, folder: Path, expected: str, *arguments: str) -> str:
    """A line of the table."""
    found = []
    for _ in range(ROUNDS):
        wall, cpu, said = snakemake(folder, *arguments)
        if expected not in said:
            sys.exit(f"{what}: '{expected}' was expected\n{said[-3000:]}")
        found.append((wall, cpu))
    wall, cpu = (statistics.median(values) for values in zip(*found, strict=True))
    line = f"| {what} | {wall:.1f} s | {cpu:.1f} s |"
    print(line, file=sys.stderr, flush=True)
    return line


def main() -> None:
    """Measure and write the page."""
    with tempfile.TemporaryDirectory(prefix="dag-") as name:
        folder = Path(name)
        study = write_config(folder)
        lines = [row("`snakemake --version`: start alone", folder, ".", "--version")]
        lines.append(row("dry run, nothing there yet", folder, "This was a dry-run", "-n"))
        blocks = write_results(folder, study)
        done = "Nothing to be done"
        lines.append(row("dry run, all done, results copied from elsewhere", folder, done, "-n"))
        snakemake(folder, "--touch", "--forceall")  # leaves Snakemake's records of all jobs
        lines.append(row("dry run, all done", folder, done, "-n"))
        lines.append(row("`snakemake`, all done", folder, done))
        shutil.rmtree(folder / ".snakemake")
    page = [
        "# Planning a thousand training jobs",
        "",
        f"Made by `python benchmarks/dag.py`: the laptop study in {blocks:,} blocks of one seed; medians of {ROUNDS}",
        "fresh processes. Beside other work both times are too long.",
        "",
        f"Machine: {provenance.device()}. Versions: Python {sys.version.split()[0]}, Snakemake "
        f"{provenance.versions()['snakemake']}.",
        "",
        "| | wall | processor |",
        "| --- | ---: | ---: |",
        *lines,
    ]
    PAGE.write_text("\n".join(page) + "\n", encoding="utf-8")
    print(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()

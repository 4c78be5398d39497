"""Copies of the repository in which Snakemake runs, so that tests may change and break them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = ("src", "studies", "rules", "profiles", "envs", "Snakefile", "config.yaml", "pyproject.toml")
JOB = re.compile(r"^Job \d+: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What Snakemake said."""

    code: int
    out: str
    folder: Path

    @property
    def jobs(self) -> set[str]:
        """The planned or executed jobs, as their messages name them."""
        return set(JOB.findall(self.out))


def snakemake(folder: Path, *arguments: str) -> Answer:
    """Run Snakemake in a copy of the repository, with that copy's package."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "snakemake", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400)
    return Answer(done.returncode, done.stdout + done.stderr, folder)


def copy_repository(folder: Path) -> None:
    """Copy what the workflow needs, with the smoke scale as its default."""
    folder.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, folder / name)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("\nscale: laptop\n", "\nscale: smoke\n"))

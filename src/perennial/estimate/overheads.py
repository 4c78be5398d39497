"""What surrounds training: the start of each stage's process and a picture, timed on this machine; HDF5 files."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2]
STAGES = sorted(path.stem for path in SCRIPTS.glob("*.py"))  #: rules with a script, which has the rule's name
SNAKEMAKE = "import snakemake.script\n"  # what Snakemake puts before each script needs it
PICTURE = """
import io
from matplotlib.figure import Figure
figure = Figure((7, 5)); axes = figure.subplots()
axes.plot(range(100)); axes.fill_between(range(100), range(100))
for kind in ("svg", "png"): figure.savefig(io.BytesIO(), format=kind, dpi=160)
"""
# Of HDF5 files, as measured: bytes of an empty run file, bytes of one measure of one seed beside its numbers, seconds
# of gathering that measure. A test holds the bytes against a file.
FILE, SERIES, GATHERING = 5800, 600, 5e-4


def measure() -> dict[str, float]:
    """CPU seconds of one job of each stage beside its own work, in processes of their own."""
    picture = {"figure": PICTURE}
    return {name: _cpu(SNAKEMAKE + _imports(name) + picture.get(name, "")) for name in STAGES}


def _imports(stage: str) -> str:
    """The import statements of a stage's script."""
    body = ast.parse((SCRIPTS / f"{stage}.py").read_text(encoding="utf-8")).body
    nodes = (node for node in body if isinstance(node, ast.Import | ast.ImportFrom))
    return "\n".join(map(ast.unparse, nodes)) + "\n"


def _cpu(code: str) -> float:
    """CPU seconds of a Python process that runs some code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

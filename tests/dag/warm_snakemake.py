"""Snakemake with its imports done, forked for each call: the imports take seconds, a dry run less than one.

The server reads one JSON line for each call (folder, arguments, file for the output) and answers with the
exit code. It never imports the package under test: every call finds that in its own copy of the repository.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

IMPORTS = "snakemake.cli, snakemake.workflow, snakemake.scheduling.job_scheduler, snakemake.persistence.file"
SLOW = "numpy, pandas, scipy.stats, seaborn, matplotlib.figure, h5py, pydantic, sklearn"


class Server:
    """A warm Snakemake in a process of its own."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }  # no threads: it forks
        command = [sys.executable, __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def call(self, folder: Path, arguments: list[str]) -> tuple[int, str]:
        """Exit code and output of `snakemake arguments` in a folder."""
        output = folder / "snakemake.out"
        assert self.process.stdin and self.process.stdout
        print(json.dumps([str(folder), arguments, str(output)]), file=self.process.stdin, flush=True)
        code = int(self.process.stdout.readline())
        return code, output.read_text(encoding="utf-8")

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)


def serve() -> None:
    """Answer calls until the input ends."""
    exec(f"import {IMPORTS}, {SLOW}")
    assert "perennial" not in sys.modules
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_run(*json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(folder: str, arguments: list[str], output: str) -> int:
    """One call, in the forked process."""
    from snakemake.cli import main

    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    os.environ["PYTHONPATH"] = f"{folder}/src"  # for the scripts
    sys.path.insert(0, f"{folder}/src")
    sys.argv = ["snakemake", *arguments]
    code: object = 0
    try:
        main(arguments)
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):  # as Python ends: the message, and 1
            print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    serve()

"""Kill the study again and again, at random moments, and show that nothing is lost but a little time.

    python tests/faults/kill_study.py --folder /tmp/kill            (make kill-study)

Trains the study undisturbed (or takes a finished one, --baseline), then once more: each time SIGKILL to Snakemake and
all its jobs at once, and a plain start after it. At the end claims.csv and every number of every run must be equal
byte for byte. How many run-steps were done in all, with those that kills undid, stands in the run files.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perennial import config
from perennial.files import store

ROOT = Path(__file__).parents[2]
IN_TRAINING = 0.8  # of the kills, at least
COST = (
    "wall_seconds",
    "cpu_seconds",
    "saving_seconds",
    "peak_memory_bytes",
    "run_steps_done",
    "starts",
    "git",
)


@dataclass
class Kill:
    """One kill."""

    after: float  # seconds since the start
    training: dict[str, int]  # block -> run-steps that the killed process had done for it
    resumed: list[str] = field(default_factory=list)  # what the next start said


class Run:
    """One study in a folder of its own.

    Args:
        folder: for results and for what was printed.
        options: of the command line.
    """

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder, self.repository = folder, options.repository
        settings = [f"results={folder}", *options.config]
        self.command = [sys.executable, "-m", "snakemake", "--cores", str(options.cores)]
        self.command += ["--config", *settings]
        self.command += ["--configfile", str(options.configfile)] if options.configfile else []
        self.starts = 0
        study = config.load(options.repository / "config.yaml")
        given = dict(text.split("=", 1) for text in settings)
        self.results = folder / given.get("scale", study.scale)

    def start(self) -> subprocess.Popen[bytes]:
        """A plain start, as a user's."""
        self.starts += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": str(self.repository / "src")}
        with open(self.folder / f"start_{self.starts:02d}.txt", "wb") as out:
            return subprocess.Popen(
                self.command,
                cwd=self.repository,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the last start printed, with its jobs."""
        return (self.folder / f"start_{self.starts:02d}.txt").read_text(encoding="utf-8", errors="replace")

    def resumed(self) -> list[str]:
        """Where blocks went on in the last start, but for those that began anew."""
        return re.findall(r"^(\S+, seeds \S+: resumed at step [1-9].*)$", self.said(), re.MULTILINE)

    def training(self, session: int) -> dict[str, int]:
        """Blocks that are in training, with the run-steps that their process in this session has done."""
        found, living = {}, set(_members(session))
        for path in sorted(self.results.glob("checkpoints/*/*/*/starts")):
            try:
                _, process, steps = path.read_text(encoding="utf-8").splitlines()[-1].split()
                if int(process) in living:
                    found[str(path.parent.relative_to(self.results / "checkpoints"))] = int(steps)
            except (OSError, ValueError, IndexError):
                continue  # it was done just now, or is being written
        return found

    def work(self) -> dict[tuple[Path, int], int]:
        """Run-steps done for each finished run file, which may be lost and made again: (path, time) -> steps."""
        files = run_files(self.results)
        return {(path, path.stat().st_mtime_ns): int(attributes(path)["run_steps_done"]) for path in files}


def run_files(results: Path) -> list[Path]:
    """Finished run files of a results folder."""
    return sorted(results.glob("runs/*/*/seeds_*.h5"))


def attributes(path: Path) -> dict[str, Any]:
    """Root attributes of a run file."""
    with store.open_checked(path) as file:
        return dict(file.attrs)


def content(path: Path) -> dict[str, Any]:
    """All that a run file holds but what the work cost."""
    with store.open_checked(path) as file:
        found = {key: str(value) for key, value in file.attrs.items() if key not in COST}

        def visit(name: str, node: Any) -> None:
            found[name] = {key: str(value) for key, value in node.attrs.items()}
            if hasattr(node, "shape"):
                found[name]["data"] = node.dtype.str, node.shape, node[...].tobytes()

        file.visititems(visit)
    return found


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to every process of the session; the next sweep finds what one has missed."""
    while members := _members(process.pid):
        for member in members:
            os.kill(member, signal.SIGKILL)
        process.poll()
    process.wait()


def _members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue  # it has just ended
        if int(own) == session and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def finish(run: Run) -> None:
    """Start, and come to the end."""
    process = run.start()
    try:
        code = process.wait()
    finally:
        kill(process)
    if code:
        sys.exit(f"{' '.join(run.command)}: ended with {code}\n{run.said()[-3000:]}")


def disturb(run: Run, options: argparse.Namespace, reach: float) -> tuple[list[Kill], int]:
    """Start and kill so often, each time a random while after the start, then finish.

    Returns:
        the kills, and the run-steps done in all, with those of finished files that were lost and made again.
    """
    moments, kills, work = random.Random(options.seed), list[Kill](), dict[tuple[Path, int], int]()
    while len(kills) < options.kills:
        process, begin = run.start(), time.monotonic()
        try:
            while options.from_training and not run.training(process.pid) and process.poll() is None:
                time.sleep(0.02)
            process.wait(moments.uniform(0, reach))
        except subprocess.TimeoutExpired:
            kills.append(Kill(time.monotonic() - begin, run.training(process.pid)))
        finally:
            kill(process)
        if process.returncode != -signal.SIGKILL:
            sys.exit(f"ended with {process.returncode} before kill {len(kills) + 1}\n{run.said()[-3000:]}")
        work |= run.work()
        if len(kills) > 1:
            kills[-2].resumed = run.resumed()
        print(f"kill {len(kills)}, after {kills[-1].after:.1f} s", file=sys.stderr, flush=True)
    finish(run)
    kills[-1].resumed = run.resumed()
    return kills, sum((work | run.work()).values())


def row(number: int, one: Kill) -> str:
    """A line of the table."""
    blocks = ", ".join(one.training) or "none"
    return f"| {number} | {one.after:.1f} s | {blocks} | {len(one.resumed)} |"


def report(
    kills: list[Kill], work: int, length: int, equal: dict[str, bool], seed: int, most_work: float
) -> tuple[str, bool]:
    """The page, and whether all promises were kept."""
    trained = sum(bool(one.training) for one in kills)
    resumed = sum(len(one.resumed) for one in kills)
    promises = {
        f"kills in training: {trained} of {len(kills)}": trained >= IN_TRAINING * len(kills),
        f"blocks resumed at a step > 0: {resumed}": resumed > 0,
        f"run-steps done: {work:,} of {length:,}, {work / length:.3f} times": length
        <= work
        <= most_work * length,
        **equal,
    }
    lines = [f"Random moments: seed {seed}.", ""]
    lines += [
        "| kill | after the start | in training | resumed by the next start |",
        "| ---: | ---: | --- | ---: |",
    ]
    lines += [row(number, one) for number, one in enumerate(kills, 1)]
    lines += ["", *(f"- {what}: {'yes' if kept else 'NO'}" for what, kept in promises.items())]
    return "\n".join(lines), all(promises.values())


def compare(ours: Path, whole: Path) -> dict[str, bool]:
    """What must be equal in two results folders."""
    names = [path.relative_to(whole) for path in run_files(whole)]
    same = [path.relative_to(ours) for path in run_files(ours)] == names
    same = same and all(content(ours / name) == content(whole / name) for name in names)
    return {
        "claims.csv equal byte for byte": (ours / "claims.csv").read_bytes()
        == (whole / "claims.csv").read_bytes(),
        f"every number of {len(names)} run files equal": same,
    }


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--folder", type=Path, required=True, help="where both studies go; must be new")
    add("--baseline", type=Path, help="results folder of the scale, finished by the same code")
    add("--kills", type=int, default=10)
    add("--seed", type=int, default=0, help="of the moments")
    add("--reach", type=float, help="most seconds from a start to its kill; drawn evenly from 0 to this")
    add("--most-work", type=float, default=1.2, help="run-steps done, against those of the undisturbed study")
    add("--from-training", action="store_true", help="count these seconds from the first step of training")
    add("--cores", default=os.cpu_count())
    add("--repository", type=Path, default=ROOT)
    add("--configfile", type=Path, help="merged over config.yaml")
    add("--config", nargs="+", default=["scale=laptop", "checkpoint_seconds=1"])
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run it all and print the page; 0 when every promise was kept."""
    options = options_of(arguments)
    folder = options.folder.absolute()
    if folder.exists():
        sys.exit(f"{folder}: is there already; the studies must begin anew")
    whole = options.baseline
    if whole is None:
        undisturbed = Run(folder / "undisturbed", options)
        finish(undisturbed)
        whole = undisturbed.results
    cost = [attributes(path) for path in run_files(whole)]
    took = sum(float(one["wall_seconds"]) for one in cost) / int(options.cores)
    reach = options.reach or 2 * took / (options.kills + 1)  # on average, the last kill falls within training
    ours = Run(folder / "killed", options)
    kills, work = disturb(ours, options, reach)
    length = sum(int(one["run_steps"]) for one in cost)
    page, good = report(kills, work, length, compare(ours.results, whole), options.seed, options.most_work)
    (folder / "report.md").write_text(page + "\n", encoding="utf-8")
    print(page)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""What stands on disk decides: every stage x every accident, real starts in copies of a finished tiny study.

Each cell asks for the exact set of jobs, the exit code, a line that says why, files equal to those of a study that
had no accident, and nothing to do at the start after it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import h5py
import pytest
import tiny_study
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from warm_snakemake import Server
from workflow_copy import ROOT, Answer, snakemake

from perennial.files import store

NOTHING = "Nothing to be done"
SCALE = Path("results", "smoke")
DATA = Path("results", "data", "digits.h5")
RUN, OTHER_RUN = (SCALE / "runs" / "tiny" / name / "seeds_0-1.h5" for name in ("slow", "fast"))
METRICS, OTHER_METRICS = (SCALE / "metrics" / "tiny" / f"{name}.h5" for name in ("slow", "fast"))
SVG, PNG = (SCALE / "figures" / f"both.{kind}" for kind in ("svg", "png"))
JSON, CSV = (SCALE / "claims" / f"tiny.{kind}" for kind in ("json", "csv"))
PAGE, LEDGER = SCALE / "report.html", SCALE / "claims.csv"

REPORT = {"report", "all"}
FROM_METRICS = {"metrics tiny/slow", "figure both", "claims tiny"} | REPORT
FROM_RUN = {"train tiny/slow, seeds 0-1"} | FROM_METRICS
DRAWN = "sequences tiny, seeds 0-1"


@dataclass(frozen=True)
class Studies:
    """Finished studies: the wanted one, one with more seeds, one with another step size."""

    wanted: Path
    seeds: Path
    settings: Path


@dataclass
class Cell:
    """One accident: what it does to a copy, and what the next start is to do."""

    stage: str
    accident: str
    happen: Callable[[Path, Studies], object]
    jobs: set[str]
    says: str = ""
    code: int = 0
    more: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.stage}: {self.accident}"


def sequences(folder: Path, seeds: str = "0-1") -> Path:
    """The sequence file of a study."""
    (path,) = (folder / SCALE / "sequences").glob(f"*/seeds_{seeds}.h5")
    return path


def alter(path: Path, **attributes: object) -> None:
    """Give a whole, sealed file other root attributes."""
    with h5py.File(path, "r") as file:
        names, about = list(file), {**file.attrs, **attributes}

    def fill(new: h5py.File) -> None:
        with h5py.File(before, "r") as old:
            for name in names:
                old.copy(name, new)
        new.attrs.update(about)

    before = path.with_name("before")
    path.replace(before)
    store.write(path, fill)
    before.unlink()


def rewrite(path: Path, old: str, new: str) -> None:
    """Change the text of a record."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path}: no {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def rewrite_png(path: Path, **changes: object) -> None:
    """Change keys of the record of a PNG."""
    with Image.open(path) as picture:
        record, info = json.loads(picture.text["Description"]), PngInfo()
        info.add_text("Description", json.dumps(record | changes))
        picture.save(path, pnginfo=info)


def older_code(*paths: Path) -> Callable[[Path, Studies], None]:
    """Other code in the records of files."""

    def happen(folder: Path, _: Studies) -> None:
        for path in paths:
            if path.suffix == ".h5":
                alter(folder / path, code="0123456789abcdef")
            elif path.suffix == ".png":
                rewrite_png(folder / path, code="0123456789abcdef")
            else:
                before = '{"scale":"smoke"},"code":"' if path.suffix == ".html" else '"code": "'
                code = (folder / path).read_text(encoding="utf-8").split(before)[1][:16]
                rewrite(folder / path, before + code, before + "0123456789abcdef")

    return happen


def missing(*paths: Path) -> Callable[[Path, Studies], None]:
    """Files that are gone."""

    def happen(folder: Path, _: Studies) -> None:
        for path in paths:
            (folder / path).unlink()

    return happen


def from_study(which: str, *paths: Path) -> Callable[[Path, Studies], None]:
    """Files of another study, at the places where this one looks for its own."""

    def happen(folder: Path, studies: Studies) -> None:
        for path in paths:
            shutil.copy2(getattr(studies, which) / path, folder / path)

    return happen


def copied(source: Path, target: Path) -> Callable[[Path, Studies], None]:
    return lambda folder, _: shutil.copy2(folder / source, folder / target)


def other_seeds_run(folder: Path, studies: Studies) -> None:
    shutil.copy2(studies.seeds / RUN.with_name("seeds_2-3.h5"), folder / RUN)


def untrained(happen: Callable[[Path, Studies], object]) -> Callable[[Path, Studies], None]:
    """One run is to be trained too: only then are data and sequences asked for."""

    def both(folder: Path, studies: Studies) -> None:
        happen(folder, studies)
        (folder / RUN).unlink()

    return both


def svg_of_another(folder: Path, _: Studies) -> None:
    """Where the record stands, quotes are escaped or not, as matplotlib has it."""
    text = (folder / SVG).read_text(encoding="utf-8")
    (folder / SVG).write_text(text.replace("both", "other"), encoding="utf-8")


def dated(hours: float, *more: Callable[[Path, Studies], object]) -> Callable[[Path, Studies], None]:
    """All files of the study have another date, after what else happens."""

    def happen(folder: Path, studies: Studies) -> None:
        for other in more:
            other(folder, studies)
        for path in (folder / "results").rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() + 3600 * hours,) * 2)

    return happen


def forget(folder: Path, _: Studies) -> None:
    shutil.rmtree(folder / ".snakemake")


def opened(find: Callable[[Path], Path]) -> dict:
    return {"open": find}


DATA_TOO, DRAWN_TOO = {"data digits"} | FROM_RUN, {DRAWN} | FROM_RUN
CELLS = [
    Cell("dataset", "missing", missing(DATA), set()),
    Cell("dataset", "missing, to train", untrained(missing(DATA)), DATA_TOO),
    Cell("dataset", "another's", untrained(lambda f, _: alter(f / DATA, name="mnist")), DATA_TOO,
         "is the data set mnist"),
    Cell("dataset", "older content", untrained(lambda f, _: alter(f / DATA, sha256="0" * 64)), DATA_TOO,
         "holds other data"),
    Cell("dataset", "older code", untrained(older_code(DATA)), FROM_RUN),  # its content is what counts
    Cell("sequences", "missing", lambda f, _: sequences(f).unlink(), set()),
    Cell("sequences", "missing, to train", untrained(lambda f, _: sequences(f).unlink()), DRAWN_TOO),
    Cell("sequences", "another's", untrained(lambda f, _: alter(sequences(f), kind="run")), DRAWN_TOO,
         "is of kind run"),
    Cell("sequences", "another seed's",
         untrained(lambda f, s: shutil.copy2(sequences(s.seeds, "2-3"), sequences(f))), DRAWN_TOO, "holds seeds 2, 3"),
    Cell("sequences", "older settings", untrained(lambda f, _: alter(sequences(f), settings='{"length": 4}')),
         DRAWN_TOO, "was made with other settings (length: 4 there, 3 wanted"),
    Cell("sequences", "older code", untrained(lambda f, _: alter(sequences(f), code="0")), DRAWN_TOO, "by other code"),
    Cell("train", "missing", missing(RUN), FROM_RUN),
    Cell("train", "another variant's", copied(OTHER_RUN, RUN), FROM_RUN, "is a run of tiny/fast, wanted slow"),
    Cell("train", "another seed's", other_seeds_run, FROM_RUN, "holds seeds 2, 3, wanted 0, 1"),
    Cell("train", "older settings", from_study("settings", RUN), FROM_RUN, "algorithm.step_size: 0.002 there"),
    Cell("train", "older code", older_code(RUN), FROM_RUN, "was trained by other code"),
    Cell("metrics", "missing", missing(METRICS), FROM_METRICS),
    Cell("metrics", "another variant's", copied(OTHER_METRICS, METRICS), FROM_METRICS, "holds metrics of tiny/fast"),
    Cell("metrics", "another seed's", from_study("seeds", METRICS), FROM_METRICS, "holds seeds 0 to 3, wanted 0, 1"),
    Cell("metrics", "older settings", from_study("settings", METRICS), FROM_METRICS,
         "algorithm.step_size: 0.002 there"),
    Cell("metrics", "older code", older_code(METRICS), FROM_METRICS, "was made by other code"),
    Cell("metrics", "of other runs",
         lambda f, _: alter(f / METRICS, inputs='{"../../runs/tiny/slow/seeds_0-1.h5": "0"}'), FROM_METRICS,
         "was made from another version of ../../runs/tiny/slow/seeds_0-1.h5"),
    Cell("figure", "missing", missing(SVG, PNG), {"figure both"} | REPORT),
    Cell("figure", "half missing", missing(PNG), {"figure both"} | REPORT),
    Cell("figure", "another's", svg_of_another, {"figure both"} | REPORT,
         "both.svg: was made with other settings (figure"),
    Cell("figure", "other seeds", from_study("seeds", SVG, PNG), {"figure both"} | REPORT,
         "another version of ../metrics/"),
    Cell("figure", "older settings", from_study("settings", SVG, PNG), {"figure both"} | REPORT,
         "0.002 there, 0.001 wanted"),
    Cell("figure", "older code", older_code(PNG), {"figure both"} | REPORT, "both.png: was made by other code"),
    Cell("claim", "missing", missing(CSV, JSON), {"claims tiny"} | REPORT),
    Cell("claim", "another's", lambda f, _: rewrite(f / JSON, '"experiment": "tiny"', '"experiment": "huge"'),
         {"claims tiny"} | REPORT, "experiment: huge there, tiny wanted"),
    Cell("claim", "other seeds", from_study("seeds", CSV, JSON), {"claims tiny"} | REPORT,
         "another version of ../metrics/"),
    Cell("claim", "other seeds in the table", from_study("seeds", CSV), {"claims tiny"} | REPORT,
         "is not the table of tiny.json"),
    Cell("claim", "older settings", from_study("settings", CSV, JSON), {"claims tiny"} | REPORT,
         "0.002 there, 0.001 wanted"),
    Cell("claim", "older code", older_code(JSON), {"claims tiny"} | REPORT, "tiny.json: was made by other code"),
    Cell("report", "missing", missing(PAGE, LEDGER), REPORT),
    Cell("report", "another scale's", lambda f, _: rewrite(f / PAGE, '"scale":"smoke"', '"scale":"paper"'), REPORT,
         "scale: paper there, smoke wanted"),
    Cell("report", "other seeds", from_study("seeds", PAGE, LEDGER), REPORT,
         "report.html: was made from another version"),
    Cell("report", "other seeds in the table", from_study("seeds", LEDGER), REPORT, "claims.csv: is not the table"),
    Cell("report", "older settings", from_study("settings", PAGE, LEDGER), REPORT,
         "report.html: was made from another version"),
    Cell("report", "older code", older_code(PAGE), REPORT, "report.html: was made by other code"),
    Cell("all", "dated ahead", dated(+3), set()),
    Cell("all", "dated back", dated(-9999), set()),
    Cell("all", "copied without .snakemake", forget, set()),
    Cell("all", "dated ahead, then trained", dated(+3, missing(RUN)), FROM_RUN),  # case 02 of the issue
    Cell("all", "dated ahead, then drawn", dated(+3, missing(SVG), forget), {"figure both"} | REPORT),
    Cell("all", "dated ahead, then judged", dated(+3, missing(JSON)), {"claims tiny"} | REPORT),
    Cell("dataset", "open elsewhere", lambda *_: None, set(), more=opened(lambda f: f / DATA)),
    Cell("sequences", "open elsewhere", lambda *_: None, set(), more=opened(sequences)),
    Cell("train", "open elsewhere", lambda *_: None, set(), "is in use by another", 1, opened(lambda f: f / RUN)),
    Cell("metrics", "open elsewhere", lambda *_: None, set(), "is in use by another", 1, opened(lambda f: f / METRICS)),
]  # fmt: skip


@pytest.fixture(scope="module")
def studies(tmp_path_factory) -> Studies:
    """The finished studies, made at the same time."""
    base = tmp_path_factory.mktemp("tiny")

    def finish(name: str, options: list[str], **changes: float) -> Path:
        folder = tiny_study.make(base / name)
        tiny_study.describe(folder, **changes)
        answer = snakemake(folder, *options)
        assert answer.code == 0, answer.out[-5000:]
        return folder

    with ThreadPoolExecutor(2) as pool:
        wanted = pool.submit(finish, "wanted", [])
        seeds = pool.submit(finish, "seeds", ["--config", "block_size=2"], seeds=4)
        settings = pool.submit(finish, "settings", [], slow=0.002)
        return Studies(wanted.result(), seeds.result(), settings.result())


@pytest.fixture(scope="module")
def starts(studies, tmp_path_factory, request) -> dict[str, Future[tuple[Answer, Answer]]]:
    """Two starts after every accident: one that mends, one that has nothing to do. Two cells at a time."""
    base = tmp_path_factory.mktemp("cells")
    servers: SimpleQueue[Server] = SimpleQueue()
    for _ in range(2):
        servers.put(Server())

    def start(number: int, cell: Cell) -> tuple[Answer, Answer]:
        folder = base / str(number)
        shutil.copytree(studies.wanted, folder, symlinks=True)
        cell.happen(folder, studies)
        server = servers.get()
        try:
            if "open" not in cell.more:
                first = Answer(*server.call(folder, []), folder)
            else:
                with h5py.File(cell.more["open"](folder), "r+"):
                    first = Answer(*server.call(folder, []), folder)
            return first, Answer(*server.call(folder, ["-n"]), folder)
        finally:
            servers.put(server)

    with ThreadPoolExecutor(2) as pool:
        asked = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
        cells = [cell for cell in CELLS if cell.name in asked]
        found = {cell.name: pool.submit(start, number, cell) for number, cell in enumerate(cells)}
    for _ in range(2):
        servers.get().stop()
    return found


def without_hashes(jobs: set[str]) -> set[str]:
    """Sequence jobs without the name of their sequence."""
    return {f"sequences tiny,{job.split(',')[1]}" if job.startswith("sequences ") else job for job in jobs}


def results(folder: Path) -> dict[str, object]:
    """All that a study found: content of metrics, pictures, verdicts, and what the page was made from."""
    found: dict[str, object] = {}
    for path in (METRICS, OTHER_METRICS):
        with store.open_checked(folder / path) as file:
            found[str(path)] = {
                key: str(file.attrs[key]) for key in ("sha256", "settings", "code", "seeds", "inputs")
            }
    for path in (SVG, PNG, JSON, CSV, LEDGER):
        found[str(path)] = (folder / path).read_bytes()
    return found


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_a_start_after_an_accident(cell, starts, studies):
    first, second = starts[cell.name].result()
    assert first.code == cell.code and "Traceback" not in first.out, first.out
    assert without_hashes(first.jobs) == cell.jobs, first.out
    assert cell.says in first.out, first.out
    assert (NOTHING in first.out) == (not cell.jobs and not cell.code)
    assert second.code == 0 and NOTHING in second.out, second.out
    assert results(first.folder) == results(studies.wanted)


def test_every_stage_meets_every_accident():
    """A table with a hole would prove less than it seems to."""
    seen = {(cell.stage, cell.accident.split("'")[0].split(",")[0]) for cell in CELLS}
    for stage in ("dataset", "sequences", "train", "metrics", "figure", "claim", "report"):
        assert {(stage, "missing"), (stage, "older code")} <= seen
        assert any(s == stage and a.startswith("another") for s, a in seen)


def copy_of(studies: Studies, folder: Path) -> Path:
    shutil.copytree(studies.wanted, folder, symlinks=True)
    return folder


def test_copied_results_and_then_more_seeds(studies, tmp_path):
    """Case 01 of the issue: the missing seed is trained, and the verdicts count it."""
    folder = copy_of(studies, tmp_path / "copy")
    shutil.rmtree(folder / ".snakemake")
    tiny_study.describe(folder, seeds=3)
    answer = snakemake(folder)
    trained = {f"train tiny/{name}, seeds 2-2" for name in ("slow", "fast")}
    assert answer.code == 0 and trained == {job for job in answer.jobs if job.startswith("train ")}, (
        answer.out
    )
    for path in (METRICS, OTHER_METRICS):
        with store.open_checked(folder / path) as file:
            assert list(file.attrs["seeds"]) == [0, 1, 2]
    assert (folder / LEDGER).read_text().splitlines()[1].startswith("T1,tiny,3,")


def test_a_metrics_job_that_dies_is_not_forgotten(studies, tmp_path, monkeypatch):
    """Found 2 of the issue: one variant changes, its run is trained, its metrics job is killed."""
    folder = copy_of(studies, tmp_path / "copy")
    tiny_study.describe(folder, slow=0.002)
    monkeypatch.setenv("PERENNIAL_FAULT", "kill@store.before_seal:1:slow.h5")
    killed = snakemake(folder)
    assert killed.code != 0 and not (folder / METRICS).exists(), killed.out
    monkeypatch.delenv("PERENNIAL_FAULT")
    answer = snakemake(folder)
    assert answer.code == 0 and answer.jobs == FROM_METRICS, answer.out
    assert results(folder) == results(studies.settings)


def test_a_file_in_use_is_one_line_of_a_plan_too(studies, tmp_path):
    folder = copy_of(studies, tmp_path / "copy")
    command = [sys.executable, "-m", "perennial.cli", "plan", "--seconds", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with h5py.File(folder / RUN, "r+"):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    lines = done.stderr.strip().splitlines()
    assert (
        done.returncode != 0
        and "is in use by another process" in lines[-1]
        and "Traceback" not in done.stderr
    )

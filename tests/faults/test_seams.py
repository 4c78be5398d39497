"""A process that dies, or finds the disk full, at each named seam of each kind of file: nothing is lost but time."""

from __future__ import annotations

import errno
import json
import re
import signal
from pathlib import Path

import pytest
from faults.block import SEEDS, Block
from fidelity import support

from perennial import datasets
from perennial.dag import blocks
from perennial.files import seams, store
from perennial.jobs import sequences

PACKAGE = Path(seams.__file__).parents[1]
FULL = "No space left on device"
BYTES = ("store.opened", "sink.half_written", "sink.before_fsync", "store.before_rename", "store.renamed")
SEALED = (*BYTES, "store.filled", "store.before_seal")
TRAINING = (  # seam, which time, of which file
    ("checkpoint.locked", 1, "lock"),
    ("checkpoint.before_drop", 2, "*"),
    ("checkpoint.before_remove", 1, "*"),
    ("checkpoint.before_remove", 2, "*"),
    ("training.before_write", 1, "*"),
    *(
        (seam, 120 if "half" in seam else 4, "*seed_*") for seam in SEALED
    ),  # HDF5 writes a file in many pieces
    *((seam, 50 if "half" in seam else 1, "*runs.h5*") for seam in SEALED),
)
REFUSING = (
    *BYTES[1:],
    "checkpoint.locked",
    "checkpoint.before_drop",
    "checkpoint.before_remove",
)  # by the system
SETTING_ASIDE = ("blocks.before_set_aside", "blocks.set_aside")


@pytest.fixture
def block(tmp_path, every_chance):
    """Three runs of seven saves each."""
    return Block(tmp_path, flip_every=1500, length=4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed block leaves."""
    undisturbed = Block(tmp_path_factory.mktemp("undisturbed"), flip_every=1500, length=4)
    undisturbed.train(checkpoints=None)
    return undisturbed.result()


def good_files(folder):
    """Every file that has its name: none of them is damaged."""
    found = list(folder.rglob("*.h5"))
    assert [path for path in found if store.check(path)] == []
    return found


def assert_finished(block, whole):
    """The result is the undisturbed one, and nothing else is left."""
    assert block.result() == whole
    assert not block.checkpoints.exists() and not list(block.folder.rglob("*.tmp"))


def test_every_seam_of_the_code_is_tested():
    sources = [path.read_text() for path in PACKAGE.rglob("*.py")]
    named = [name for text in sources for name in re.findall(r'seams\.reach\("([a-z_.]+)", ', text)]
    assert set(named) == {seam for seam, *_ in TRAINING} | set(SETTING_ASIDE)
    assert len(named) == sum(text.count("seams.reach(") for text in sources)


def test_a_seam_does_nothing_unless_it_is_named(monkeypatch):
    path = Path("a/b.h5")
    monkeypatch.delenv(seams.VARIABLE, raising=False)
    seams.reach("store.filled", path)
    for other in ("", "kill@store.opened", "kill@store.filled:1:*.json", "kill@store.filled:9"):
        monkeypatch.setenv(seams.VARIABLE, other)
        seams.reach("store.filled", path)


def test_a_named_seam_fails_once_at_its_time(monkeypatch):
    monkeypatch.setenv(seams.VARIABLE, "full@test.named:2:*.h5")
    for name in ("a.h5", "b.json"):
        seams.reach("test.named", Path(name))
    with pytest.raises(OSError) as found:
        seams.reach("test.named", Path("b.h5"))
    assert found.value.errno == errno.ENOSPC
    seams.reach("test.named", Path("c.h5"))


@pytest.mark.parametrize(("seam", "time", "pattern"), TRAINING)
def test_killed_at_a_seam(block, whole, seam, time, pattern):
    child = block.start(f"kill@{seam}:{time}:{pattern}")
    child.join(60)
    assert child.exitcode == -signal.SIGKILL, block.log()
    good_files(block.folder)
    saved = block.saved()
    log = block.finish()
    assert ("resumed at step" in log) == (saved > 0) == (seam != "checkpoint.locked")
    assert_finished(block, whole)


@pytest.mark.parametrize(("seam", "time", "pattern"), [row for row in TRAINING if row[0] in REFUSING])
def test_a_full_disk_at_a_seam(block, whole, seam, time, pattern):
    child = block.start(f"full@{seam}:{time}:{pattern}")
    child.join(60)
    log = block.complaints()
    good_files(block.folder)
    if pattern in ("lock", "*runs.h5*"):
        lock = f"{block.checkpoints / 'lock'}: cannot be written ({FULL}); finished files are unharmed"
        result = f"{block.output}: cannot be written ({FULL}); the next start goes on from the checkpoints"
        assert child.exitcode == 1 and log == [lock if pattern == "lock" else result]
        saved = block.saved()
        assert saved == (0 if pattern == "lock" else 3 * 4 * 1500)
        log = block.finish()
        assert ("resumed at step 18,000 of 18,000" in log) == (saved > 0)
    else:
        goes_on = f"{block.checkpoints}: no checkpoint ({FULL}); training goes on"
        assert child.exitcode == 0
        assert log == (
            [] if "remove" in seam else [goes_on.replace(FULL, log[0].split("(")[1].split(");")[0])]
        )
        assert FULL in "".join(log) or "remove" in seam
    assert_finished(block, whole)


def draw_sequences(block):
    sequences.make_block(block.settings, SEEDS, block.sequences)


def make_digits(block):
    datasets.make("digits", block.folder / "data" / "digits.h5")


def write_page(block):
    store.write_bytes(block.folder / "report.html", json.dumps(block.settings).encode() * 100)


WRITERS = {draw_sequences: SEALED, make_digits: SEALED, write_page: BYTES}
CASES = [(work, seam, "kill") for work, found in WRITERS.items() for seam in found]
CASES += [(work, seam, "full") for work, found in WRITERS.items() for seam in found if seam in REFUSING]


@pytest.mark.parametrize(("work", "seam", "action"), CASES)
def test_other_files_are_whole_or_not_there(block, work, seam, action):
    support.digits()  # its imports take seconds; the forks have them
    before = {path: path.read_bytes() for path in block.folder.rglob("*.h5")}
    child = block.fork(lambda: work(block), f"{action}@{seam}")
    child.join(60)
    if action == "kill":
        assert child.exitcode == -signal.SIGKILL, block.log()
    else:
        assert child.exitcode == 1
        (line,) = block.log().splitlines()
        assert line.endswith(f": cannot be written ({FULL}); finished files are unharmed")
    good_files(block.folder)
    if seam != "store.renamed":
        assert {path: path.read_bytes() for path in block.folder.rglob("*.h5")} == before
    child = block.fork(lambda: work(block))
    child.join(60)
    assert child.exitcode == 0 and not list(block.folder.rglob("*.tmp"))
    good_files(block.folder)


@pytest.mark.parametrize("action", ["kill", "full"])
@pytest.mark.parametrize("seam", SETTING_ASIDE)
def test_setting_a_bad_file_aside(block, seam, action):
    path = block.folder / "runs" / "seeds_0-1.h5"
    store.write(path, lambda file: None)
    path.write_bytes(path.read_bytes()[:-1])

    def plan():
        blocks.set_aside_bad(path.parent, dry_run=False)

    child = block.fork(plan, f"{action}@{seam}")
    child.join(60)
    assert child.exitcode == (-signal.SIGKILL if action == "kill" else 1)
    if action == "full":
        (line,) = block.log().splitlines()
        assert line.startswith(f"{path}.bad: cannot be written ({FULL}); seeds_0-1.h5 is truncated")
    assert path.exists() == (seam == "blocks.before_set_aside")
    plan()
    assert [found.name for found in path.parent.iterdir()] == ["seeds_0-1.h5.bad"]

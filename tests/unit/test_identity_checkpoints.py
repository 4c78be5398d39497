"""A whole checkpoint under the right name may be none of these runs. It is set aside, and the numbers are right."""

from __future__ import annotations

import json
import multiprocessing
import shutil

import h5py
import numpy as np
import pytest
from faults.block import SEEDS, Block
from fidelity import passes, support
from fidelity.support import DIGITS, REGRESSION

from perennial.files import store
from perennial.jobs import checkpoint, restoring
from perennial.learning import engines, tree

NAMES = {"experiment": "slowly_changing_regression", "variant": "relu_0.01"}
MEASURES = {name: {"every": 2} for name in ("squared_error", "dead_units", "weight_magnitude")}
FORM = {"flip_every": 1500, "length": 30}


class Kept:
    """A block that was killed, as often as a test needs it, and what it is when nobody disturbs it."""

    def __init__(self, folder, **changes):
        self.block = Block(folder, REGRESSION, "fused", **FORM | changes)
        self.block.train(checkpoints=None, **NAMES)
        self.whole = self.block.result()
        self.block.output.unlink()
        child = self.block.start(**NAMES)
        while len(self.block.saves()) < 4 and child.is_alive():
            pass
        child.kill()
        child.join()
        assert not self.block.output.exists()
        self.files = {path.name: path.read_bytes() for path in self.block.saves()}

    def again(self):
        """The block as it was when it was killed; its first run is done, and both of its checkpoints are there."""
        shutil.rmtree(self.block.checkpoints, ignore_errors=True)
        self.block.checkpoints.mkdir()
        self.block.output.unlink(missing_ok=True)
        for name, data in self.files.items():
            (self.block.checkpoints / name).write_bytes(data)
        return self.block

    def second(self):
        """Checkpoints of the run that was not done, the older first."""
        return self.again().saves()[2:4]


@pytest.fixture(scope="module")
def save_often():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "SHARE", float("inf"))
        yield


@pytest.fixture(scope="module")
def kept(save_often, tmp_path_factory):
    return Kept(tmp_path_factory.mktemp("relu"))


@pytest.fixture(scope="module")
def other(save_often, tmp_path_factory):
    """Of another variant: another activation and step size."""
    return Kept(tmp_path_factory.mktemp("tanh"), activation="tanh")


def rewrite(path, change):
    """Write a checkpoint anew, sealed, as somebody else's program or an older version might have."""
    with store.open_checked(path) as file:
        attributes, found = dict(file.attrs), store.read_tree(file["kept"])
    attributes, found = change(attributes, found) or (attributes, found)

    def fill(file):
        file.attrs.update(attributes)
        if found is not None:
            store.write_tree(file, "kept", found)

    store.write(path, fill)


def finish(kept, path, words):
    """Start the block again: the file is set aside with one line, and the result is the undisturbed one."""
    log = kept.block.finish(**NAMES)
    lines = [line for line in log.splitlines() if str(path) in line]
    assert len(lines) == 1 and words in lines[0] and "Traceback" not in log, log
    assert "set aside as" in lines[0] and lines[0].endswith("is used")
    assert kept.block.result() == kept.whole
    return lines[0]


def test_one_of_another_variant_under_the_right_name(kept, other):
    older, newest = kept.second()
    newest.write_bytes(other.second()[1].read_bytes())
    with store.open_checked(newest) as file:
        identity = json.loads(file.attrs["identity"])
    rewrite(
        newest,
        lambda about, tree: (about | {"identity": json.dumps(identity | {"variant": "tanh_0.01"})}, tree),
    )
    line = finish(kept, newest, "is a checkpoint of slowly_changing_regression/tanh_0.01, wanted relu_0.01")
    assert line.endswith(f"{older.name} is used")


def test_one_of_other_settings_under_the_right_name(kept, other):
    _, newest = kept.second()
    newest.write_bytes(other.second()[1].read_bytes())
    finish(kept, newest, "was trained with other settings (network.activation: tanh there, relu wanted)")


def test_one_of_another_seed_under_the_right_name(kept):
    _, newest = kept.second()
    first = kept.block.saves()[0]
    newest.write_bytes(first.read_bytes())
    finish(kept, newest, "holds seeds 0, wanted 1")


@pytest.mark.parametrize("key", ["code", "engine", "versions"])
def test_one_of_other_code_or_another_engine(kept, key):
    _, newest = kept.second()

    def change(about, found):
        return about | {"identity": json.dumps(json.loads(about["identity"]) | {key: "another"})}, found

    rewrite(newest, change)
    finish(kept, newest, f"other {key}")


def without(name):
    def change(_, found):
        parts = name.split("/")
        node = found
        for part in parts[:-1]:
            node = node[part]
        del node[parts[-1]]

    return change


def changed(name, new):
    def change(_, found):
        parts = name.split("/")
        node = found
        for part in parts[:-1]:
            node = node[part]
        node[parts[-1]] = new(node[parts[-1]])

    return change


DAMAGE = {
    "too many tasks": (changed("tasks", lambda n: n + 100), "of 30 tasks"),
    "fewer than no tasks": (changed("tasks", lambda n: n * 0 - 1), "-1 of 30 tasks"),
    "one task too many": (changed("tasks", lambda n: n + 1), "steps are done, not"),
    "other steps": (changed("steps", lambda n: n + 7), "steps are done, not"),
    "no weights": (without("state/weights"), "KeyError"),
    "a layer lacks": (without("state/weights/weight_1"), "weight_1"),
    "a memory lacks": (without("state/algorithm"), "does not fit these runs"),
    "a measure lacks": (without("taken/squared_error"), "squared_error has the shape"),
    "a point lacks": (changed("taken/dead_units", lambda a: a[1:]), "dead_units has the shape"),
    "a layer too many": (changed("taken/dead_units", lambda a: np.repeat(a, 2, 2)), "dead_units has the shape"),
    "turned weights": (changed("state/weights/weight_0", lambda a: a.swapaxes(1, 2)), "does not fit these runs"),
    "one weight for all": (changed("state/weights/weight_0", lambda a: a[:, :1, :1]), "does not fit these runs"),
    "other precision": (changed("state/weights/weight_0", np.float32), "does not fit these runs"),
    "a number for a tree": (changed("taken", lambda _: np.zeros(3)), "does not fit these runs"),
    "text for weights": (changed("state/weights/weight_0", lambda _: np.bytes_("abc")), "does not fit these runs"),
    "nothing kept": (lambda about, _: (about, None), "is no checkpoint of this version"),
    "no steps": (lambda about, found: ({k: v for k, v in about.items() if k != "steps"}, found), "no checkpoint"),
    "steps without end": (lambda about, found: (about | {"steps": 10**9}, found), "of 45,000 run-steps were done"),
    "no identity": (lambda about, found: ({k: v for k, v in about.items() if k != "identity"}, found), "no checkpoint"),
    "a run": (lambda about, found: (about | {"kind": "run"}, found), "is of kind run, wanted checkpoint"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_whole_file_that_does_not_fit(kept, name):
    change, words = DAMAGE[name]
    older, newest = kept.second()
    rewrite(newest, change)
    assert finish(kept, newest, words).endswith(f"{older.name} is used")


def test_where_none_fits_the_run_begins_anew(kept):
    paths = kept.second()
    for path in paths:
        rewrite(path, DAMAGE["no weights"][0])
    log = kept.block.finish(**NAMES)
    assert log.count("does not fit these runs") == 2 and log.count("the beginning is used") == 1
    assert kept.block.result() == kept.whole


def test_one_that_says_too_few_steps_ends_in_a_line_and_the_next_start_is_right(kept):
    """Its state is that of these runs, but not where it says: that shows at the end only."""
    paths = kept.second()
    for path in paths:
        rewrite(path, lambda about, found: (about | {"steps": int(about["steps"]) - 1500}, found))
    process = kept.block.start(**NAMES)
    process.join(60)
    last = kept.block.log().splitlines()[-1]
    assert process.exitcode == 1 and "seeds 1 came to their end after" in last and "start again" in last
    assert "Traceback" not in kept.block.log() and not kept.block.output.exists()
    kept.block.finish(**NAMES)
    assert kept.block.result() == kept.whole


def test_values_are_free(kept):
    """A run may diverge. This held before."""
    _, newest = kept.second()
    rewrite(newest, changed("taken/squared_error", lambda a: a * np.nan))
    log = kept.block.finish(**NAMES)
    assert "set aside" not in log and kept.block.result() != kept.whole


def test_one_that_is_open_elsewhere_is_neither_set_aside_nor_passed_over(kept, monkeypatch):
    monkeypatch.setattr(store, "PATIENCE", 0.1)
    _, newest = kept.second()
    opened = multiprocessing.get_context("spawn").Event()
    closed = multiprocessing.get_context("spawn").Event()
    holder = multiprocessing.get_context("spawn").Process(target=hold, args=(str(newest), opened, closed))
    holder.start()
    assert opened.wait(60)
    process = kept.block.start(**NAMES)
    process.join(60)
    (line,) = kept.block.complaints()
    assert process.exitcode == 1 and line.startswith(f"{newest}: is in use by another process")
    closed.set()
    holder.join()
    assert "set aside" not in kept.block.finish(**NAMES) and kept.block.result() == kept.whole


def hold(path, opened, closed):
    with h5py.File(path, "r+"):
        opened.set()
        closed.wait(60)


def cut(runs, pieces):
    """What a course keeps after so many pieces."""
    walk = runs.pieces()
    for _ in range(pieces):
        next(walk)
    return runs.snapshot()


@pytest.mark.parametrize(
    ("problem", "algorithm"), [*((REGRESSION, name) for name in support.algorithms()), (DIGITS, "cbp")]
)
def test_what_each_engine_keeps_fits_its_own_runs(problem, algorithm):
    """Otherwise each resumed block would begin anew. Weights that are no numbers fit, too."""
    shape = {"flip_every": 40} if problem == REGRESSION else {"probe_examples": 10}
    measures = {name: {"every": 2} for name in support.measures(problem)}
    settings = support.small(problem, algorithm, length=4, measures=measures, **shape)
    graphed = ["graphed"] if engines.fast_path("graphed", algorithm) else []
    for engine in [*support.engines_of(settings), *graphed]:
        runs = [support.stream(settings, SEEDS, engine, 70) for _ in range(3)]
        found = cut(runs[0], 3)
        assert restoring.restore(runs[1], tree.each(np.copy, found)) is None, engine
        found["state"]["weights"]["weight_0"] = np.full_like(found["state"]["weights"]["weight_0"], np.nan)
        assert restoring.restore(runs[2], found) is None, engine


def test_what_a_course_of_passes_keeps_fits_its_own_runs_and_no_others():
    def runs():
        return passes.stream(passes.variant(passes.CBP, epochs=4), [0, 1])

    whole = cut(runs(), 3)
    assert whole["tested"] and restoring.restore(runs(), whole) is None
    lacking = {key: value for key, value in whole.items() if key != "tested"}
    assert "tests after 3 passes" in restoring.restore(runs(), lacking)

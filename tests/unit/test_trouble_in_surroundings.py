"""Where people run it: odd folders, a notebook's matplotlib, a read-only home, links, optimised Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import synthetic_results as made
import the_studies

from perennial import figures
from perennial.claims import data
from perennial.files import compilation, seams, store
from perennial.jobs import lock

ROOT = Path(__file__).parents[2]


def python(code: str, cwd=None, **variables: str | None) -> subprocess.CompletedProcess:
    """Run some code in a process of its own; a variable that is None is taken away."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]),
        **variables,
    }
    given = {key: value for key, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=given,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
@pytest.mark.parametrize(
    "name", ["a b", 'a"b', "a'b", "a(b)", "a$b", "a&b", "a;b", "a#b", "a:b", "a\\b", "a`b"]
)
def test_make_says_in_one_line_that_a_folder_is_of_no_use(tmp_path, name):
    folder = tmp_path / name
    (folder / "envs").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for needed in ("envs/requirements.txt", "pyproject.toml"):
        (folder / needed).touch()
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of a make that runs these tests
    environment = {key: value for key, value in os.environ.items() if key not in outer}
    for ready in (False, True):  # also where the folder was moved after make had run
        found = subprocess.run(
            ["make", "plan", "PYTHON=false"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        first, *others = found.stderr.splitlines()
        assert (
            first.startswith(f"{folder}: no programs can be installed in a folder with a space")
            and not found.stdout
        )
        assert [line.startswith("make: *** ") for line in others] == [True]
        if not ready:
            (folder / ".venv").mkdir()
            (folder / ".venv" / ".ready").touch()


DRAW = """
import sys
from pathlib import Path
import the_studies
from perennial import figures
folder = Path(sys.argv[1] if len(sys.argv) > 1 else {folder!r})
metrics = {{("permuted_digits", p.stem): p for p in Path({metrics!r}).glob("*.h5")}}
figures.render("permuted_digits", the_studies.figure("permuted_digits"), metrics, folder / "a.svg", folder / "a.png")
"""


def test_figures_do_not_depend_on_the_user_s_matplotlib(tmp_path):
    study = made.make(tmp_path / "results", full=False, seeds=2, tasks=20)
    home = study.folder / "metrics" / made.DIGITS
    metrics = {(made.DIGITS, path.stem): path for path in home.glob("*.h5")}
    plain, odd = tmp_path / "plain", tmp_path / "odd"
    odd.mkdir()
    figures.render(made.DIGITS, the_studies.figure(made.DIGITS), metrics, plain / "a.svg", plain / "a.png")
    settings = (
        "text.usetex: True\nfont.size: 31\nlines.linestyle: :\naxes.titlepad: 40\nsavefig.bbox: tight\n"
    )
    (odd / "matplotlibrc").write_text(settings, encoding="utf-8")
    code = DRAW.format(folder=str(odd), metrics=str(home))
    for backend in ("module://matplotlib_inline.backend_inline", "QtAgg", "no_such"):
        found = python(code, cwd=odd, MPLBACKEND=backend)
        assert found.returncode == 0, found.stderr
        for name in ("a.svg", "a.png"):
            assert (odd / name).read_bytes() == (plain / name).read_bytes(), (backend, name)


COMPILE = """
import pwd
def unknown(uid):
    raise KeyError(uid)
if {unknown}:
    pwd.getpwuid = unknown
from perennial.files import compilation
from perennial.streams import compiled  # loops that are kept
print(compilation.cache_folder())
"""


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="there is no folder that not even root can write to"
)
def test_a_cache_that_is_there_but_cannot_be_written_to_is_left_alone(tmp_path):
    (tmp_path / "home" / "perennial").mkdir(parents=True)
    link = tmp_path / "home" / "perennial" / compilation.cache_folder().name
    link.symlink_to("/proc")  # root cannot write there either
    code = COMPILE.format(unknown=False)
    found = python(code, XDG_CACHE_HOME=str(tmp_path / "home"), TMPDIR=str(tmp_path))
    assert found.stdout.startswith(str(tmp_path / "perennial-")), found.stderr
    assert (tmp_path / f"perennial-{os.getuid()}").stat().st_mode & 0o777 == 0o700


def test_a_user_without_a_home_has_a_cache(tmp_path):
    found = python(COMPILE.format(unknown=True), XDG_CACHE_HOME=None, HOME=None, TMPDIR=str(tmp_path))
    assert found.stdout.startswith(str(tmp_path / "perennial-")), found.stderr


def test_the_cache_of_somebody_else_is_not_used(tmp_path):
    """What numba finds there it runs, and every user may write to the folder for temporary files."""
    (tmp_path / f"perennial-{os.getuid()}").mkdir()
    (tmp_path / f"perennial-{os.getuid()}").chmod(0o777)
    found = python(COMPILE.format(unknown=True), XDG_CACHE_HOME=None, HOME=None, TMPDIR=str(tmp_path))
    folder = Path(found.stdout.strip()).parent
    assert folder.parent == tmp_path and folder.name != f"perennial-{os.getuid()}", found.stderr


@pytest.mark.parametrize("command", ["--help", "check"])
def test_python_without_docstrings_and_assertions_works(command):
    code = f"import sys; from perennial import cli; sys.exit(cli.main(['{command}']))"
    found = python(code, cwd=ROOT, PYTHONOPTIMIZE="2")
    assert found.returncode == 0 and "Traceback" not in found.stderr, found.stderr


@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_lock_is_a_file_of_our_own_or_none(tmp_path, kind):
    precious = tmp_path / "thesis.tex"
    precious.write_text("three years", encoding="utf-8")
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "lock").symlink_to(precious) if kind == "link" else os.mkfifo(folder / "lock")
    with pytest.raises(store.CannotWrite, match="lock: cannot be written"), lock.held(folder):
        pass
    assert precious.read_text(encoding="utf-8") == "three years"


@pytest.mark.parametrize("count", ["x", "-1", "0", "1.5", "\u00b2", "9" * 6000])
def test_a_fault_that_is_not_understood_is_told_in_one_line(tmp_path, monkeypatch, count):
    monkeypatch.setenv(seams.VARIABLE, f"full@store.filled:{count}")
    if count.startswith("9"):
        seams.reach("store.filled", tmp_path)  # it never comes there so often
        return
    with pytest.raises(seams.FaultError, match="is no count"):
        seams.reach("store.filled", tmp_path)


def test_a_network_without_hidden_layers_is_judged_without_a_warning(tmp_path):
    given = made.settings(made.DIGITS, [], "linear", "backprop", 4)
    arrays = {"dead_units": (np.zeros((2, 4, 0)), {"task": np.arange(4), "layer": np.arange(0)}, "percent")}
    path = tmp_path / made.DIGITS / "linear.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.write_metrics(path, made.DIGITS, "linear", given, 2, arrays)
        found = data.read({"linear": path}, made.DIGITS)["linear"].metrics
    assert list(found) == ["dead_units"] and np.isnan(found["dead_units"].values).all()

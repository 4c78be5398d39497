"""The code hash: deaf to comments and layout, awake to code, and no wider than the imports."""

from __future__ import annotations

import textwrap

import pytest

from perennial.dag import code_hash, stage_code

FILES = {
    "__init__.py": "from perennial.load import load",
    "load.py": "def load(): ...",
    "settings.py": "limit = 1",
    "algorithms/__init__.py": "State = dict",
    "algorithms/adam.py": "from perennial import streams\nfrom perennial.settings import limit\nrate = 1",
    "algorithms/cbp.py": "from perennial.algorithms import State\nrate = 2",
    "engines/__init__.py": "from importlib import import_module\nfast = import_module('perennial.' + 'adam')",
    "engines/adam.py": "from . import _loop\nspeed = 1",
    "engines/_loop.py": "def run():\n    from ..streams import philox\n    return philox",
    "streams/__init__.py": "words = 1",
    "streams/philox.py": "rounds = 10",
    "figures.py": textwrap.dedent(
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import perennial.engines.adam
        import perennial.streams as streams
        """
    ),
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of its own in place of the real one; `edit` changes one of its files."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(code_hash, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget():
    for cached in ("_lines", "imported_modules", "module_digest", "_tree", "_find"):
        getattr(code_hash, cached).cache_clear()


def changes(package, file, text, modules):
    """Whether writing `text` to a file changes the hash of the modules."""
    before = code_hash.digest(modules)
    (package / file).write_text(text, encoding="utf-8")
    forget()
    return code_hash.digest(modules) != before


ADAM = ["perennial.algorithms.adam", "perennial.engines.adam"]


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + FILES["algorithms/adam.py"],
        '"""A docstring."""\n' + FILES["algorithms/adam.py"],
        FILES["algorithms/adam.py"].replace("rate = 1", "\n\nrate   =  (1)  # the rate\n"),
        FILES["algorithms/adam.py"] + "\n'a stray string'\n",
    ],
)
def test_comments_docstrings_and_layout_change_nothing(package, text):
    assert not changes(package, "algorithms/adam.py", text, ADAM)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("algorithms/adam.py", FILES["algorithms/adam.py"].replace("rate = 1", "rate = 1.5")),
        ("algorithms/adam.py", FILES["algorithms/adam.py"] + "\nname = 'x'\n"),
        ("engines/adam.py", FILES["engines/adam.py"].replace("1", "2")),
        ("engines/_loop.py", "def run():\n    return 1"),  # a relative import
        ("streams/__init__.py", "words = 2"),
        ("streams/philox.py", "rounds = 7"),  # an import inside a function
        ("algorithms/__init__.py", "State = list"),  # the package a module lies in
    ],
)
def test_code_that_is_imported_changes_the_hash(package, file, text):
    assert changes(package, file, text, ADAM)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("algorithms/cbp.py", "rate = 3"),  # another algorithm
        ("figures.py", "colour = 1"),
        ("load.py", "def load(): return 1"),  # the outermost package is the API for people
        ("__init__.py", ""),
        ("settings.py", "limit = 2"),  # values enter params, not this module
    ],
)
def test_other_code_does_not(package, file, text):
    assert not changes(package, file, text, ADAM)


def test_adam_concerns_adam_alone(package):
    assert not changes(
        package,
        "engines/adam.py",
        "speed = 9",
        ["perennial.algorithms.cbp", "perennial.engines"],
    )


def test_imports_for_type_checkers_are_not_followed(package):
    assert code_hash.closure(["perennial.figures"]) == ["perennial.figures", "perennial.streams"]


def test_data_files_count_byte_by_byte(package, tmp_path):
    data = tmp_path / "curve.json"
    data.write_text("[1]")
    before = code_hash.digest(ADAM, [data])
    data.write_text("[2]")
    assert code_hash.digest(ADAM, [data]) != before


def test_an_unknown_module_is_named(package):
    with pytest.raises(code_hash.UnknownModule, match=r"perennial\.algorithms\.adma"):
        code_hash.digest(["perennial.algorithms.adma"])


def test_training_follows_only_its_own_parts():
    names = {"procedure": "task_stream", "problem": "permuted_digits", "network": "mlp", "algorithm": "cbp"}
    settings = {part: {"name": name} for part, name in names.items()}
    begin = stage_code.train_modules({**settings, "measures": {"dead_units": {"every": 1}}})
    modules = code_hash.closure(begin)
    assert {"perennial.learning.algorithms.cbp", "perennial.problems.permuted_digits"} <= set(modules)
    assert "perennial.measures.dead_units" in modules and "perennial.measures.stable_rank" not in modules
    others = ("perennial.figures", "perennial.claims", "perennial.report", "perennial.config")
    assert not [name for name in modules if name.startswith(others)]
    assert "perennial.problems.slowly_changing_regression" not in modules
    assert {"perennial.learning.engines.fused.cbp", "perennial.learning.engines.graphed.cbp"} <= set(modules)
    assert not {"perennial.learning.engines.fused.adam", "perennial.learning.engines.graphed.adam"} & set(
        modules
    )

"""Files of a user's own folders: found by their name, told apart, imported with their neighbours, and hashed."""

from __future__ import annotations

import pytest

from perennial import registry
from perennial.dag import code_hash, stage_code
from perennial.learning import engines

DEFINITION = '''"""Backprop whose gradients are halved."""

from . import _helper
from perennial.learning.algorithms import backprop

Settings, init = backprop.Settings, backprop.init


def update(settings, networks, state, gradients, features, clock, rate):
    halved = {name: g * _helper.SHARE for name, g in gradients.items()}
    backprop.update(settings, networks, state, halved, features, clock, rate)
'''


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test adds is gone after it."""
    monkeypatch.setattr(registry, "_folders", {})
    registry._files.cache_clear()
    yield
    registry._files.cache_clear()
    for cached in ("_lines", "imported_modules", "module_digest", "_tree", "_find"):
        getattr(code_hash, cached).cache_clear()


@pytest.fixture
def folder(tmp_path):
    """A folder with one algorithm and what it imports from beside it."""
    own = tmp_path / "my methods"
    own.mkdir()
    (own / "halved.py").write_text(DEFINITION)
    (own / "_helper.py").write_text("SHARE = 0.5\n")
    return own


def test_a_user_s_file_is_found_and_imports_its_neighbours(folder):
    with pytest.raises(registry.UnknownName):
        registry.module("algorithms", "halved")
    before = registry.names("algorithms")
    registry.add_folder("algorithms", folder)
    assert registry.names("algorithms") == sorted([*before, "halved"])  # `_helper` is private
    module = registry.module("algorithms", "halved")
    assert module._helper.SHARE == 0.5 and module.__file__ == str(folder / "halved.py")
    assert registry.parse("algorithms", {"name": "halved", "step_size": 0.1}).step_size == 0.1
    assert registry.module("algorithms", "backprop").__name__ == "perennial.learning.algorithms.backprop"
    assert "halved" not in registry.names("problems")


def test_a_folder_may_be_added_again(folder):
    registry.add_folder("algorithms", folder)
    registry.add_folder("algorithms", folder / ".." / folder.name)
    assert registry.names("algorithms").count("halved") == 1


def test_folders_of_equal_files_are_told_apart(folder, tmp_path):
    other = tmp_path / "other" / folder.name
    other.mkdir(parents=True)
    (other / "doubled.py").write_text(DEFINITION)
    (other / "_helper.py").write_text("SHARE = 2\n")
    registry.add_folder("algorithms", folder)
    registry.add_folder("algorithms", other)
    shares = [registry.module("algorithms", name)._helper.SHARE for name in ("halved", "doubled")]
    assert shares == [0.5, 2]


def one_line(folder, *words: str) -> None:
    with pytest.raises(registry.NameTaken) as caught:
        registry.add_folder("algorithms", folder)
    text = str(caught.value)
    assert "\n" not in text and all(word in text for word in words), text


def test_a_name_of_the_package_is_not_taken_again(folder):
    (folder / "cbp.py").write_text("")
    one_line(
        folder, str(folder / "cbp.py"), "'cbp'", "algorithms", registry.module("algorithms", "cbp").__file__
    )
    assert "halved" not in registry.names("algorithms")  # the folder is not searched


def test_a_name_of_another_folder_is_not_taken_again(folder, tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    (second / "halved.py").write_text("")
    registry.add_folder("algorithms", folder)
    one_line(second, str(second / "halved.py"), str(folder / "halved.py"))
    assert registry.module("algorithms", "halved").__file__ == str(folder / "halved.py")


def test_a_slip_of_the_pen_finds_the_user_s_name_too(folder):
    registry.add_folder("algorithms", folder)
    with pytest.raises(
        registry.UnknownName, match=r"'halve' is not one of algorithms: .*did you mean 'halved'"
    ):
        registry.dotted("algorithms", "halve")


def train_modules() -> list[str]:
    """Where the code of a variant begins that learns by the user's algorithm."""
    names = {
        "procedure": "task_stream",
        "problem": "permuted_digits",
        "network": "mlp",
        "algorithm": "halved",
    }
    settings = {part: {"name": name} for part, name in names.items()} | {
        "precision": "float32",
        "measures": {},
    }
    settings["algorithm"] |= {"step_size": 0.1}
    return stage_code.train_modules(settings)


def digest() -> str:
    for cached in ("_lines", "imported_modules", "module_digest", "_tree", "_find"):
        getattr(code_hash, cached).cache_clear()
    return code_hash.digest(train_modules())


def test_the_code_hash_follows_a_user_s_file_and_its_neighbours(folder):
    registry.add_folder("algorithms", folder)
    names = {name.rpartition(".")[2] for name in code_hash.closure(train_modules())}
    assert {"halved", "_helper", "backprop"} <= names and "cbp" not in names
    before = digest()
    (folder / "_helper.py").write_text("SHARE = 0.5  # a comment\n")
    (folder / "unrelated.py").write_text("x = 1\n")
    assert digest() == before
    (folder / "_helper.py").write_text("SHARE = 0.25\n")
    changed = digest()
    (folder / "halved.py").write_text(DEFINITION.replace("halved = {", "halved = dict() | {"))
    assert len({before, changed, digest()}) == 3


def test_a_user_s_algorithm_is_the_definition_s_engine_s(folder):
    registry.add_folder("algorithms", folder)
    assert not [name for name in train_modules() if ".fused." in name or ".graphed." in name]
    assert engines.fast_path("fused", "halved") is None

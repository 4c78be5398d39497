"""Find problems, networks, algorithms, procedures, measures and data sets by their file name.

Adding one is adding a file: nothing else has to be told about it. Folders of a user's own are searched like the
package's; what lies in them is imported under a name that no other folder can have.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from perennial.errors import UserError

#: kind -> the package that holds its files
PACKAGES = {
    "problems": "perennial.problems",
    "environments": "perennial.environments",
    "networks": "perennial.learning.networks",
    "algorithms": "perennial.learning.algorithms",
    "procedures": "perennial.procedures",
    "measures": "perennial.measures",
    "datasets": "perennial.datasets",
}
#: parts of a variant's settings, `{part: {name: ..., setting: value}}` -> the kind that its name is looked up in
PARTS = {
    "problem": "problems",
    "environment": "environments",
    "network": "networks",
    "procedure": "procedures",
    "algorithm": "algorithms",
}
WORLDS = ("problem", "environment")  #: of which a variant has one
OUTSIDE = "perennial_outside_"  #: how the packages of users' folders begin

_folders: dict[str, list[Path]] = {}  # kind -> folders of users


class UnknownName(UserError, LookupError):
    """A name that no file answers to; the message lists those that do."""


class NameTaken(UserError, ValueError):
    """Two files answer to one name; the message names both."""


class CannotImport(UserError, ImportError):
    """A file of a user's own that Python cannot import; the message names it and says why."""


def add_folder(kind: str, folder: Path) -> None:
    """Search a folder of the user's own for files of a kind, after the package's.

    Raises:
        NameTaken: a name is there already.
    """
    folder = Path(folder).resolve()
    known = _folders.setdefault(kind, [])
    if folder not in known:
        known.append(folder)
        _files.cache_clear()
        try:
            _files(kind)
        except NameTaken:
            known.remove(folder)
            raise


def names(kind: str) -> list[str]:
    """All names of a kind, sorted. A file whose name starts with `_` is private."""
    return sorted(_files(kind))


def nearest(name: str, allowed: list[str]) -> str:
    """` (did you mean 'cbp'?)` for a slip of the pen, or nothing."""
    close = difflib.get_close_matches(str(name), allowed, n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""


def dotted(kind: str, name: str) -> str:
    """The full module name behind a name, for example `perennial.learning.algorithms.cbp`.

    Raises:
        UnknownName: with the allowed names and the nearest spelling.
    """
    found = _files(kind)
    if name not in found:
        allowed = sorted(found)
        raise UnknownName(f"'{name}' is not one of {kind}: {', '.join(allowed)}{nearest(name, allowed)}")
    return found[name]


def module(kind: str, name: str) -> ModuleType:
    """The module of that name.

    Raises:
        UnknownName: with the allowed names and the nearest spelling.
        CannotImport: it is a user's own, and has a mistake.
    """
    return load(dotted(kind, name))


def load(full_name: str) -> ModuleType:
    """Import a module by its full name.

    Raises:
        CannotImport: it lies outside the package, and has a mistake.
    """
    if not full_name.startswith(OUTSIDE):
        return importlib.import_module(full_name)
    try:
        return importlib.import_module(full_name)
    except Exception as error:  # any: it is the user's code
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CannotImport(f"{path_of(full_name)}: cannot be imported ({reason})") from error


def is_own(kind: str, name: str) -> bool:
    """Whether a name is a user's own: no file of the package answers to it."""
    return not _files(kind).get(name, OUTSIDE).startswith("perennial.")


def world_part(settings: Mapping[str, Any]) -> str:
    """`problem` or `environment`: what a variant has."""
    return next((part for part in WORLDS if settings.get(part)), WORLDS[0])


def parse(kind: str, settings: dict[str, Any]) -> Any:
    """The typed settings of a `{"name": ..., key: value}` entry."""
    values = {key: value for key, value in settings.items() if key != "name"}
    return module(kind, settings["name"]).Settings(**values)


def world(settings: dict[str, Any]) -> tuple[ModuleType, Any]:
    """The module of a variant's problem or environment, and its typed settings."""
    part = world_part(settings)
    kind = PARTS[part]
    return module(kind, settings[part]["name"]), parse(kind, settings[part])


def path_of(module: str) -> str | None:
    """The file of a module that need not be imported."""
    spec = find_spec(module)
    return spec and spec.origin


def folder_of(package: str) -> Path:
    """Where the files of a package of users' modules lie."""
    return Path(sys.modules[package].__path__[0])


@functools.cache
def _files(kind: str) -> dict[str, str]:
    """name -> full module name."""
    inside = importlib.import_module("perennial").__path__[0]
    package = PACKAGES[kind]
    folder = Path(inside, *package.split(".")[1:])
    found = {path.stem: f"{package}.{path.stem}" for path in modules(folder)}
    for folder in _folders.get(kind, []):
        outside = package_of(folder)
        for path in modules(folder):
            if path.stem in found:
                raise NameTaken(
                    f"{path}: there is another file '{path.stem}' among the {kind} ({path_of(found[path.stem])})"
                )
            found[path.stem] = f"{outside}.{path.stem}"
    return found


def modules(folder: Path) -> list[Path]:
    """The files of a folder that answer to a name, sorted."""
    return sorted(path for path in folder.glob("*.py") if not path.stem.startswith("_"))


def package_of(folder: Path) -> str:
    """The name of a package that stands for a folder, so that its files can import one another by `from . import`."""
    folder = Path(folder).resolve()
    name = OUTSIDE + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    return name

"""A hash of the code that makes a result, which comments, docstrings and layout do not change.

The hash covers a few modules and everything they import inside this package, read from the syntax trees; no
module is run. Names that are looked up by the registry at run time are not imports and are not followed, so
the rules name them: that is why editing Adam's kernel concerns Adam alone.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from perennial import registry
from perennial.errors import UserError

PACKAGE = "perennial"
OUTSIDE = registry.OUTSIDE
ROOT = Path(__file__).parents[1]

#: Modules that cannot change a number: settings enter a job's params as values, the store (with `seams` and `sink`) and
#: the registry only move things about, `compilation` says where compiled code is kept, provenance only tells. They are
#: left out so that tidying them does not make everything again.
PLUMBING = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        "errors",
        "lazy",
        "registry",
        "settings",
        "files",
        "files.compilation",
        "files.identity",
        "files.provenance",
        "files.seams",
        "files.sink",
        "files.store",
    )
)


class UnknownModule(UserError, LookupError):
    """No file belongs to that module name."""


def digest(modules: Iterable[str], files: Iterable[Path] = (), text: str = "") -> str:
    """16 hex digits for the code of `modules`, of all they import inside the package, and of data.

    Args:
        modules: full names, for example `perennial.learning.algorithms.cbp`.
        files: data that belong to the code (published curves, templates), hashed byte by byte.
        text: anything else that belongs to it, such as the checksum of a data set.

    Raises:
        UnknownModule: a name has no file.
    """
    total = hashlib.sha256(text.encode())
    total.update(_lines(tuple(modules)))
    contents = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files]
    total.update("".join(sorted(contents)).encode())
    return total.hexdigest()[:16]


def closure(modules: Iterable[str]) -> list[str]:
    """The modules and all modules of the package that they import, directly or not, sorted.

    Raises:
        UnknownModule: a name has no file.
    """
    seen: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in seen or name in PLUMBING:
            continue
        seen.add(name)
        waiting += imported_modules(name)
    return sorted(seen)


def exists(module: str) -> bool:
    """Whether the package has a file for this module."""
    return _find(module) is not None


@functools.cache
def _lines(modules: tuple[str, ...]) -> bytes:
    """A line for each module of the closure. Every block of a variant asks for the same."""
    found = {name: module_digest(_file(name)) for name in closure(modules)}
    return "".join(sorted(f"{_portable(name)} {digest}\n" for name, digest in found.items())).encode()


def _portable(module: str) -> str:
    """A module's name without the place of its folder: a copied study is no other code."""
    return module.partition(".")[2] if module.startswith(OUTSIDE) else module


@functools.cache
def imported_modules(module: str) -> tuple[str, ...]:
    """Modules of the package that this one imports anywhere in its file, with the packages they lie in."""
    path = _file(module)
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set(_parents(module))
    for node in _running_nodes(_tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = list(_from_names(node, inside))
        else:
            continue
        for name in names:
            if _is_ours(name) and name != PACKAGE:
                found |= {name, *_parents(name)}
    return tuple(sorted(found - {module}))


@functools.cache
def module_digest(path: Path) -> str:
    """SHA-256 of a file's syntax tree without comments, docstrings and positions."""
    return hashlib.sha256(_canonical(_tree(path)).encode()).hexdigest()


def _from_names(node: ast.ImportFrom, inside: str) -> Iterator[str]:
    """What `from x import a, b` imports: x.a where that is a module, else x."""
    base = node.module or ""
    if node.level:
        parts = inside.split(".")
        base = ".".join(parts[: len(parts) - node.level + 1] + ([base] if base else []))
    if not _is_ours(base):
        return
    for alias in node.names:
        name = f"{base}.{alias.name}"
        yield name if exists(name) else base


def _is_ours(name: str) -> bool:
    """Whether a module lies in the package or in a folder of a user's own."""
    package = name.split(".")[0]
    return package == PACKAGE or package.startswith(OUTSIDE)


def _parents(module: str) -> list[str]:
    """The packages a module lies in, without the outermost: its `__init__` is the API for people."""
    parts = module.split(".")
    packages = (".".join(parts[:n]) for n in range(2, len(parts)))
    return [package for package in packages if exists(package)]


def _running_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All statements, without the bodies of `if TYPE_CHECKING`: these never run."""
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children: Iterable[ast.AST] = node.orelse
    else:
        children = ast.iter_child_nodes(node)
    for child in children:
        if not isinstance(child, ast.expr):  # no import stands within an expression, and most nodes do
            yield from _running_nodes(child)


def _canonical(value: object) -> str:
    """A tree as text that does not depend on the Python version: empty fields are left out."""
    if isinstance(value, ast.AST):
        fields = ((key, item) for key, item in ast.iter_fields(value) if item is not None and item != [])
        inner = ",".join(f"{key}={_canonical(item)}" for key, item in fields)
        return f"{type(value).__name__}({inner})"
    if isinstance(value, list):
        return "[" + ",".join(_canonical(item) for item in value if not _is_text_statement(item)) + "]"
    return repr(value)


def _is_text_statement(node: object) -> bool:
    """A docstring, or any other statement that is only a string."""
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@functools.cache
def _find(module: str) -> Path | None:
    """A module's file: `a/b.py` or `a/b/__init__.py`; a folder without `__init__` has none."""
    package, *parts = module.split(".")
    root = registry.folder_of(package) if package.startswith(OUTSIDE) else ROOT
    for path in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py")):
        if parts and path.is_file():
            return path
    return ROOT / "__init__.py" if module == PACKAGE else None


def _file(module: str) -> Path:
    path = _find(module)
    if path is None:
        raise UnknownModule(f"{module}: no such module in {ROOT}")
    return path

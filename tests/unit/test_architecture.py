"""docs/architecture.md names every folder of the project and of the package, and no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
#: folders one level below the package that the page tells apart
ROOMS = ("learning",)


def named() -> set[str]:
    """Folders in the table of the page."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    return {name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+/)`", row.split(" | ")[0])}


def there() -> set[str]:
    """Folders that git knows: of the project, of the package, and within the larger rooms."""
    package = ROOT / "src" / "perennial"
    found = {path for path in ROOT.iterdir() if not path.name.startswith(".") and path.name != "src"}
    found |= {path for path in package.iterdir()}
    found |= {path for room in ROOMS for path in (package / room).iterdir()}
    folders = {path for path in found if path.is_dir() and not path.name.startswith("__")}
    return {str(path.relative_to(ROOT)) for path in folders if not path.name.endswith(".egg-info")}


def test_every_folder_is_on_the_page_and_every_folder_on_the_page_is_there():
    assert named() == there()


def test_every_file_that_the_page_names_is_there():
    for name in re.findall(r"`([\w./]+\.(?:py|smk|md))`", PAGE):
        assert (ROOT / name).is_file(), name


def test_few_modules_lie_loose_at_the_root_of_the_package():
    loose = {path.name for path in (ROOT / "src" / "perennial").glob("*.py")} - {"__init__.py"}
    assert loose <= {"cli.py", "errors.py", "lazy.py", "one_thread.py", "registry.py", "settings.py"}

"""What was timed, kept in a small file: for this machine, this code and these library versions."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any

from perennial.dag import code_hash, stage_code
from perennial.files import provenance, store


def folder() -> Path:
    """Where timings are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perennial" / "plan"


class Memo:
    """Timings by name. A file that cannot be read counts as empty; what cannot be written is forgotten.

    Args:
        own_folder: folder of the file; the user's own where none is given.
        fresh: forget what is there.
    """

    def __init__(self, own_folder: Path | None = None, fresh: bool = False) -> None:
        machine = {"device": provenance.device(), "node": platform.node(), "cores": os.cpu_count()}
        self.about = json.dumps({**machine, "versions": provenance.versions()}, sort_keys=True)
        mark = hashlib.sha256(self.about.encode()).hexdigest()[:8]
        self.path = (own_folder or folder()) / f"timings-{mark}.json"
        self.found: dict[str, Any] = {} if fresh else self._read()

    def get(self, name: str) -> Any:
        """What is known under a name, or None."""
        return self.found.get(name)

    def put(self, name: str, value: Any) -> None:
        """Remember a timing."""
        self.found[name] = value

    def save(self) -> None:
        """Write the file."""
        text = json.dumps({"about": json.loads(self.about), "timings": self.found}, indent=1, sort_keys=True)
        with contextlib.suppress(OSError):
            store.write_bytes(self.path, text.encode() + b"\n")

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text(encoding="utf-8"))["timings"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def name_of_kind(key: str, settings: dict[str, Any]) -> str:
    """A kind and the code that trains it: other code is timed anew."""
    modules = [*stage_code.train_modules(settings), "perennial.estimate.rehearsal"]
    return f"{code_hash.digest(modules)} {key}"


def name_of_taken(key: str, settings: dict[str, Any]) -> str:
    """A kind that was not timed, but taken from another."""
    return f"taken {name_of_kind(key, settings)}"


def name_of_overheads() -> str:
    """The overheads and the code that they time."""
    return f"{code_hash.digest(['perennial.estimate.overheads', 'perennial.jobs.job'])} overheads"

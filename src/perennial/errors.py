"""The base of all errors that are meant for people: their message is enough, so no traceback is shown."""

from __future__ import annotations

import os
from pathlib import Path


class UserError(Exception):
    """Something that a person can mend. The message has one line for each mistake: where, what, what is allowed."""


def shown(path: Path) -> str:
    """A path as messages name it: short where it lies below the folder one stands in."""
    here = os.path.relpath(path)
    return str(path) if here.startswith("..") else here

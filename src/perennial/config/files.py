"""Read a config file, and look at the disk before any work begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from perennial.config.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML, but a key that stands twice is a mistake: the first of the two would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for n, key in enumerate(keys):
            if key in keys[:n]:
                mark = node.value[n][0].start_mark
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' stands twice", problem_mark=mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as a mapping.

    Raises:
        ConfigError: it is missing, not readable, not YAML, or not a mapping.
    """
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file (looked in {Path.cwd()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    except yaml.YAMLError as error:
        reason = getattr(error, "problem", error)
        raise ConfigError(f"{path}: {_place(error)}not valid YAML: {reason}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    return found


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def check_writable(folder: Path, file: str = "config.yaml") -> None:
    """Look whether results can be written, before hours of work.

    Raises:
        ConfigError: they cannot.
    """
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise ConfigError(f"{file}: results: '{folder}' is not allowed ({there} is a file, must be a folder)")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{file}: results: '{folder}' is not allowed (no permission to write to {there})")

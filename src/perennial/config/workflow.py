"""Validate the config on behalf of Snakemake: a bad one ends in clear lines before any work, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from perennial.config import ConfigError, Study, files, load

CONFIG_FILE = Path("config.yaml")
Result = TypeVar("Result")


def or_exit(work: Callable[[], Result]) -> Result:
    """The result of `work`; a `ConfigError` is printed and ends the process with 1."""
    try:
        return work()
    except ConfigError as error:
        _exit(str(error))


def yaml_or_exit(workflow: Any) -> None:
    """Look at the config file before Snakemake reads it: a missing or mistyped file has a clear message."""
    if CONFIG_FILE.exists() or not workflow.overwrite_configfiles:
        or_exit(lambda: files.read_yaml(CONFIG_FILE))


def study_or_exit(merged: Mapping[str, Any], workflow: Any) -> Study:
    """The study of the merged config (file, --configfile, --config)."""
    given = [str(CONFIG_FILE), *map(str, workflow.overwrite_configfiles or [])]
    if workflow.config_settings.config:
        given.append("--config")

    def checked() -> Study:
        study = load(merged, " + ".join(given))
        if workflow.is_main_process:
            files.check_writable(study.results, study.file)
        return study

    return or_exit(checked)


def _exit(message: str) -> NoReturn:
    sys.exit(message)

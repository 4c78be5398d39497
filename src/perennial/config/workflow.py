"""Validate the config on behalf of Snakemake: a bad one ends in clear lines before any work, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from perennial.config import Study, files, load, unchanged
from perennial.config.folders import Layer, layer
from perennial.errors import UserError

CONFIG_FILE = Path("config.yaml")
Result = TypeVar("Result")


def or_exit(work: Callable[[], Result]) -> Result:
    """The result of `work`; a `UserError` is printed and ends the process with 1."""
    try:
        return work()
    except UserError as error:
        _exit(str(error))


def yaml_or_exit(workflow: Any) -> None:
    """Look at the config file before Snakemake reads it: a missing or mistyped file has a clear message."""
    if CONFIG_FILE.exists() or not workflow.overwrite_configfiles:
        or_exit(lambda: files.read_yaml(CONFIG_FILE))


def study_or_exit(config: dict[str, Any], workflow: Any) -> Study:
    """The study of config.yaml, --configfile and --config.

    Snakemake's own merge of them forgets which file named which path, so the files are read here once more. `config`
    then holds what the scripts of jobs read: every path in it is absolute.
    """

    def checked() -> Study:
        study = load(_layers(workflow))
        if workflow.is_main_process:
            files.check_writable(study.results, study.file)
            unchanged.declare(study)
        study.figures()  # mistakes in figures and claims are told like any others
        for experiment in study.experiments():
            study.claims(experiment)
        return study

    study = or_exit(checked)
    config.clear()
    config.update(study.entry.model_dump(mode="json"))
    return study


def _layers(workflow: Any) -> list[Layer]:
    given = [Path(path) for path in workflow.overwrite_configfiles or []]
    paths = [path for path in (CONFIG_FILE, *given) if path != CONFIG_FILE or path.exists()]
    layers = [layer(path) for path in paths]
    line = workflow.config_settings.config
    return [*layers, Layer(line, "--config", Path())] if line else layers


def _exit(message: str) -> NoReturn:
    sys.exit(message)

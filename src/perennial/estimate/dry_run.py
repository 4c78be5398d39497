"""Snakemake's own dry run, listened to: which jobs a run would start, and why."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from perennial.config import Study
from perennial.dag import blocks
from perennial.errors import UserError

ROOT = Path(__file__).parents[3]  # the checkout
PROFILE = ROOT / "profiles" / "default" / "profile.yaml"


class NoDryRun(UserError, RuntimeError):
    """Snakemake cannot plan the study; the message is its own."""


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    rule: str
    wildcards: Mapping[str, str]
    reason: str = ""  #: in Snakemake's words; empty: the job is done
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def pair(self) -> tuple[str, str]:
        """Experiment and variant, of the jobs that belong to one."""
        return self.wildcards["experiment"], self.wildcards["variant"]

    @property
    def seeds(self) -> range:
        """Of the jobs that belong to a block."""
        return blocks.seeds_of(blocks.parse(self.wildcards["block"]))


def dry_run(study: Study, targets: list[str]) -> list[Job]:
    """What `snakemake -n TARGET ...` would list, as the profile for local runs has it.

    Raises:
        NoDryRun: Snakemake refuses.
    """
    from snakemake import api  # slow to import
    from snakemake.exceptions import RuleException
    from snakemake.logging import logger
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ExecutionSettings,
        OutputSettings,
        ResourceSettings,
    )
    from snakemake_interface_common.exceptions import ApiError, WorkflowError

    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    asked = DAGSettings(
        targets=frozenset(targets),
        rerun_triggers=frozenset(map(RerunTrigger.parse_choice, profile["rerun-triggers"])),
        force_incomplete=profile["rerun-incomplete"],
    )
    quiet = OutputSettings(dryrun=True, quiet=frozenset({Quietness.ALL}), enable_file_logging=False)
    told, listener = io.StringIO(), _Listener()
    try:
        with (
            contextlib.redirect_stderr(told),
            _config_file(study) as path,
            api.SnakemakeApi(quiet) as snakemake,
        ):
            logger.addHandler(listener)
            config = ConfigSettings(configfiles=[path], replace_workflow_config=True)
            workflow = snakemake.workflow(ResourceSettings(), config, snakefile=ROOT / "Snakefile")
            workflow.dag(asked).execute_workflow("dryrun", execution_settings=ExecutionSettings(lock=False))
    except (ApiError, RuleException, WorkflowError, SystemExit) as error:
        raise NoDryRun(f"snakemake -n: {error}") from None
    finally:
        logger.removeHandler(listener)
    notes = _notes(told.getvalue())
    return [_job(record, notes) for record in listener.records]


@contextlib.contextmanager
def _config_file(study: Study) -> Iterator[Path]:
    """The study's config as a file: it may have been put together from several."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(study.entry.model_dump_json(), encoding="utf-8")
        yield path


class _Listener(logging.Handler):
    """Keeps what Snakemake says about each job."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []

    def emit(self, record: Any) -> None:
        if getattr(record, "event", None) == "job_info":
            self.records.append(record)


def _notes(told: str) -> dict[str, str]:
    """Path -> why the planner has it made again: `runs/.../seeds_0-9.h5: was trained by other code; ...`."""
    pairs = (line.partition(": ")[::2] for line in told.splitlines())
    return {path: text.split("; ")[0] for path, text in pairs}


def _job(record: Any, notes: dict[str, str]) -> Job:
    reason = record.reason.split(":")[0].split(";")[0].lower()
    why = next((notes[path] for path in record.output if path in notes), reason)
    return Job(record.rule_name, dict(record.wildcards), why, tuple(record.input), tuple(record.output))

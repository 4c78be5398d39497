"""Typed settings: the base class of every module's `Settings`, and the fidelity switches.

A *switch* is a setting on which the paper and the authors' code differ, or which the paper leaves open.
Each is declared where it is read; the list of all switches in the report and the docs is generated from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from perennial.errors import UserError


class Settings(BaseModel):
    """Settings of one problem, network, algorithm or procedure. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class Unfit(UserError, ValueError):
    """Settings that the number of tasks or the data do not allow. One line: what is asked for, what there is."""


@dataclass(frozen=True)
class Switch:
    """One fidelity choice, as shown to people."""

    owner: str  #: for example "algorithms.cbp"
    key: str
    default: Any
    allowed: str
    description: str
    paper: str  #: what the text of the paper says
    code: str  #: what the authors' code does


def switch(default: Any, description: str, *, paper: str, code: str, **constraints: Any) -> Any:
    """Declare a setting that is a fidelity choice; the default reproduces the published figure."""
    return Field(
        default,
        description=description,
        json_schema_extra={"switch": {"paper": paper, "code": code}},
        **constraints,
    )


def switches(settings: type[Settings], owner: str) -> list[Switch]:
    """The switches that a settings class declares, in order."""
    found = []
    for key, field in settings.model_fields.items():
        extra = field.json_schema_extra
        if not (isinstance(extra, dict) and "switch" in extra):
            continue
        marks: Any = extra["switch"]
        schema = settings.model_json_schema()["properties"][key]
        allowed = ", ".join(map(str, schema["enum"])) if "enum" in schema else schema.get("type", "any")
        found.append(
            Switch(owner, key, field.default, allowed, field.description or "", marks["paper"], marks["code"])
        )
    return found

"""The list of fidelity switches: where paper and code differ, or the paper leaves something open.

Made from the settings classes themselves; the report and `docs/switches.md` show the same list.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from perennial import registry
from perennial.files import store
from perennial.settings import Switch, switches

INTRO = """# Fidelity switches

Where the paper and the authors' code differ, or the paper leaves something open, a setting decides.
The default is what reproduces the published figure. Set a switch in an experiment's `experiment.yaml`, under the
variant's `algorithm`, `network` or `procedure`, or under the experiment's `problem`.

This page is generated from the settings themselves: `python -m perennial.report.switches docs/switches.md`.
"""


def table() -> list[Switch]:
    """Every switch of every part of a variant, kind by kind. Needs no torch."""
    found = []
    for kind in registry.PARTS.values():
        for name in registry.names(kind):
            found += switches(registry.module(kind, name).Settings, f"{kind}.{name}")
    return found


def markdown() -> str:
    """The list as a page of Markdown."""
    lines = [INTRO]
    owner = ""
    for switch in table():
        if switch.owner != owner:
            owner = switch.owner
            lines.append(f"## {owner}\n")
        lines.append(f"### `{switch.key}`\n")
        lines.append(f"{switch.description}\n")
        lines.append(f"- default: `{shown(switch.default)}` (allowed: {switch.allowed})")
        lines.append(f"- paper: {switch.paper}")
        lines.append(f"- code: {switch.code}\n")
    return "\n".join(lines).rstrip() + "\n"


def shown(value: Any) -> str:
    """A value as it is written in `experiment.yaml`."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def used(switch: Switch, settings: dict[str, dict]) -> dict[str, list[str]]:
    """Value of a switch -> the variants that run with it.

    Args:
        settings: "experiment/variant" -> settings of that variant.
    """
    kind, name = switch.owner.split(".", 1)
    found: dict[str, list[str]] = {}
    for label, given in settings.items():
        part = given.get(kind.removesuffix("s"), {})
        if part.get("name") == name and switch.key in part:
            found.setdefault(shown(part[switch.key]), []).append(label)
    return found


def write(path: Path) -> None:
    """Write the page of Markdown."""
    store.write_bytes(Path(path), markdown().encode())


if __name__ == "__main__":
    write(Path(sys.argv[1]))

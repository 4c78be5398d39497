"""Which code makes which stage: the hash that enters a job's params instead of its script's date.

Modules that are looked up by name at run time are named here, from the variant's own settings.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from perennial import procedures, registry
from perennial.dag import code_hash
from perennial.learning import engines

PUBLISHED = Path(__file__).parents[1] / "published"
REPORT = Path(__file__).parents[1] / "report"


def train(settings: dict[str, Any]) -> str:
    """Code of a run, with the checksum of its data set where the code knows it."""
    dataset = registry.module("problems", settings["problem"]["name"]).DATASET
    known = checksum(dataset) if dataset else None
    return code_hash.digest(train_modules(settings), text=known or "")


def train_modules(settings: dict[str, Any]) -> list[str]:
    """Where a run's code begins: its own procedure, problem, network, algorithm and measures, the engines that may
    train it, and what turns its course into arrays. The loop around it and the layout of files cannot change a number.
    """
    parts = ((part, kind) for part, kind in registry.PARTS.items() if part in settings)
    modules = [registry.dotted(kind, settings[part]["name"]) for part, kind in parts]
    modules += [registry.dotted("measures", name) for name in settings["measures"]]
    need = procedures.need(settings)
    return [*modules, *(engines.modules(need) if need else ()), "perennial.jobs.outcome"]


def checksum(dataset: str) -> str | None:
    """SHA-256 of a data set's content, as its file in `perennial.datasets` declares it.

    The code that fetches a data set may change without training anything again; its content may not. None where
    the content is the user's own. Then each run records what it was trained on, and the planner compares.
    """
    return registry.module("datasets", dataset).SHA256


def dataset(name: str) -> str:
    """Code that makes a data set. It is told, and in no job's params: a data set counts by its content."""
    return code_hash.digest([registry.dotted("datasets", name)])


@functools.cache
def sequences(problem: str) -> str:
    """Code that draws a problem's sequences; every variant asks for it."""
    return code_hash.digest([registry.dotted("problems", problem)])


def metrics() -> str:
    """Code of the statistics over seeds."""
    return code_hash.digest(["perennial.analyses.summary"])


def figure(name: str) -> str:
    """Code of one figure, with the published curves."""
    return code_hash.digest(["perennial.figures", registry.dotted("figures", name)], PUBLISHED.glob("*.json"))


def claim(experiment: str) -> str:
    """Code of the verdicts, with the experiment's published claims and the published curves."""
    published = [*PUBLISHED.glob("*.json"), *PUBLISHED.glob(f"claims_{experiment}.yaml")]
    return code_hash.digest(["perennial.claims"], published)


def report() -> str:
    """Code of the page, with its templates and with the modules whose switches it lists."""
    modules = [
        registry.dotted(kind, name) for kind in registry.PARTS.values() for name in registry.names(kind)
    ]
    templates = (path for path in REPORT.rglob("*") if path.suffix in {".html", ".css", ".js", ".svg"})
    return code_hash.digest(["perennial.report", *modules], templates)

"""The repository's own studies, as tests ask for their parts: settings, claims, published curves, figures."""

from __future__ import annotations

import copy
from pathlib import Path
from types import ModuleType
from typing import Any

from perennial import config, registry
from perennial.claims import curves, statement
from perennial.config import files

ROOT = Path(__file__).parents[1]
NATURE = ROOT / "studies" / "nature2024"
STUDY = config.load(ROOT / "config.yaml")
published = curves.Published(NATURE / "permuted_mnist")  # reads the curves of its whole study


def claims(experiment: str) -> statement.Claims:
    """The claims of an experiment; none of one that is not the repository's."""
    known = experiment in STUDY.all_experiments
    return STUDY.claims(experiment) if known else statement.load(experiment, None)


def figure(name: str) -> ModuleType:
    """The module of a figure."""
    return STUDY.figure(name)


def helper(experiment: str, name: str) -> ModuleType:
    """A private module beside the figures of an experiment."""
    return registry.load(f"{registry.package_of(NATURE / experiment / 'figures')}.{name}")


def in_one_file() -> dict[str, Any]:
    """The config with all experiments in it: without folders, so without claims and figures."""
    whole = files.read_yaml(ROOT / "config.yaml")
    homes = {name: known.home for name, known in STUDY.all_experiments.items() if known.home}
    experiments = {name: files.read_yaml(home / "experiment.yaml") for name, home in homes.items()}
    return copy.deepcopy({**whole, "studies": [], "experiments": experiments})


def only(scale: str, amounts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """`in_one_file`, but these are the only experiments of a scale."""
    whole = in_one_file()
    for name, entry in whole["experiments"].items():
        entry["scales"] = {scale: amounts[name]} if name in amounts else {}
    return whole

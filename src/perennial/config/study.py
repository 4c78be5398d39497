"""The study: what a validated config says about every experiment, variant and seed."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from perennial import registry
from perennial.config.entries import Data, File, ScaleEntry
from perennial.config.errors import ConfigError
from perennial.config.variants import Variant
from perennial.dag import stage_code


@dataclass(frozen=True)
class Experiment:
    """One experiment as the config describes it."""

    name: str
    title: str
    description: str
    figures: list[str]
    all_by_default: bool
    problem: dict[str, Any]  #: canonical settings with the module's name under `name`
    precision: str
    variants: dict[str, Variant]


@dataclass(frozen=True)
class Study:
    """A validated config at its active scale."""

    file: str
    entry: File
    all_experiments: dict[str, Experiment]
    scales: dict[str, dict[str, ScaleEntry]]
    data: Data = field(default_factory=Data)

    @property
    def scale(self) -> str:
        """Name of the active scale."""
        return self.entry.scale

    @property
    def results(self) -> Path:
        """Root of all results."""
        return Path(self.entry.results)

    @property
    def folder(self) -> Path:
        """Results of the active scale."""
        return self.results / self.scale

    @property
    def block_size(self) -> int:
        """Most seeds of a new block."""
        return self.entry.block_size

    @property
    def engine(self) -> str:
        """auto, or the engine that is asked for."""
        return self.entry.engine

    @property
    def device(self) -> str:
        """auto, or the device that is asked for."""
        return self.entry.device

    @property
    def checkpoint_seconds(self) -> float:
        """At least so long between two checkpoints of a training job."""
        return self.entry.checkpoint_seconds

    @property
    def data_root(self) -> Path | None:
        """Where downloaded data lie, if anything was said about it."""
        root = self.data.root or os.environ.get("PERENNIAL_DATA", "")
        return Path(root) if root else None

    def experiments(self) -> list[str]:
        """Experiments of the active scale, in the order of the config."""
        return [name for name in self.all_experiments if name in self.scales[self.scale]]

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, whether the scale runs it or not.

        Raises:
            ConfigError: no such experiment.
        """
        if name not in self.all_experiments:
            self._unknown("experiment", name, list(self.all_experiments))
        return self.all_experiments[name]

    def variants(self, experiment: str) -> list[str]:
        """Variants that the active scale runs, in the order of the config."""
        patterns = self._active(experiment).variants
        names = self.experiment(experiment).variants
        return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]

    def seeds(self, experiment: str) -> list[int]:
        """Seeds that the active scale runs."""
        return list(self._active(experiment).seeds)

    def length(self, experiment: str, variant: str) -> int:
        """Number of tasks of each run of a variant at the active scale.

        Raises:
            ConfigError: the scale does not run the variant and says nothing about its length.
        """
        given = self._active(experiment).length
        for pattern, count in given.items():
            if fnmatch.fnmatchcase(variant, pattern):
                return count
        place = f"scales.{self.scale}.{experiment}.length"
        raise ConfigError(f"{self.file}: {place}: nothing fits the variant '{variant}'")

    def settings(self, experiment: str, variant: str, length: int | None = None) -> dict[str, Any]:
        """All that determines a run but its seed: canonical, every default filled in.

        Args:
            length: another than the scale's.

        Raises:
            ConfigError: no such experiment or variant.
        """
        known = self.experiment(experiment)
        if variant not in known.variants:
            self._unknown(f"variant of {experiment}", variant, list(known.variants))
        length = self.length(experiment, variant) if length is None else length
        parts = known.variants[variant].settings
        products = {"gpu_precision": self.entry.gpu_precision} if self.entry.gpu_precision != "fp32" else {}
        return {**parts, "length": length, "precision": known.precision, **products}

    def settings_text(self, experiment: str, variant: str) -> str:
        """The settings as JSON with sorted keys: equal settings, equal text."""
        return _text(self.settings(experiment, variant))

    def sequence(self, experiment: str, variant: str) -> str:
        """Name of the sequences a variant's seeds meet: `{problem}-{8 hex}`.

        The hex digits stand for the problem's settings, the number of tasks and the problem's code, which
        draws the sequences. So equal ones are shared, and no file is rewritten: other code has another name.
        """
        settings = self.settings(experiment, variant)
        name = settings["problem"]["name"]
        code = stage_code.sequences(name)
        key = _text({"problem": settings["problem"], "length": settings["length"], "code": code})
        return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"

    def figures(self) -> dict[str, list[str]]:
        """Figures of the active experiments: figure -> the active experiments that list it."""
        found: dict[str, list[str]] = {}
        for experiment in self.experiments():
            for figure in self.experiment(experiment).figures:
                found.setdefault(figure, []).append(experiment)
        return found

    def _active(self, experiment: str) -> ScaleEntry:
        self.experiment(experiment)
        entries = self.scales[self.scale]
        if experiment not in entries:
            self._unknown(f"experiment of scale {self.scale}", experiment, self.experiments())
        return entries[experiment]

    def _unknown(self, what: str, name: str, allowed: list[str]) -> NoReturn:
        hint = registry.nearest(name, allowed)
        raise ConfigError(f"{self.file}: '{name}' is no {what} (allowed: {', '.join(allowed)}){hint}")


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)

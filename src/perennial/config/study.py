"""The study: what a validated config and its study folders say about every experiment, variant, seed and figure."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from perennial import registry
from perennial.claims import statement
from perennial.claims.statement import Claims
from perennial.config.entries import Data, File, ScaleEntry
from perennial.config.errors import ConfigError
from perennial.config.variants import Variant
from perennial.dag import stage_code

BLOCK_SIZE = 30  # seeds of one training job where nothing else is said


@dataclass(frozen=True)
class Experiment:
    """One experiment as its file describes it."""

    name: str
    title: str
    description: str
    all_by_default: bool
    world: dict[str, Any]  #: canonical settings of its problem or environment, with the module's name
    precision: str
    variants: dict[str, Variant]
    scales: dict[str, ScaleEntry]
    home: Path | None  #: its folder, with claims, curves and figures; None where it stands in a config file
    file: str  #: what messages call the file that describes it


@dataclass(frozen=True)
class Study:
    """A validated config at its active scale."""

    file: str
    entry: File
    all_experiments: dict[str, Experiment]
    data: Data = field(default_factory=Data)
    _claims: dict[str, Claims] = field(default_factory=dict, repr=False, compare=False)

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
    def portable(self) -> bool:
        """Whether loops are compiled for x86-64-v3 and no more."""
        return self.entry.portable

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
        """Experiments of the active scale, study by study, in their order."""
        return [name for name, known in self.all_experiments.items() if self.scale in known.scales]

    def experiment(self, name: str) -> Experiment:
        """An experiment by name, whether the scale runs it or not.

        Raises:
            ConfigError: no such experiment.
        """
        if name not in self.all_experiments:
            self._unknown("experiment", name, list(self.all_experiments))
        return self.all_experiments[name]

    def variants(self, experiment: str) -> list[str]:
        """Variants that the active scale runs, in the order of the experiment's file."""
        patterns = self._active(experiment).variants
        names = self.experiment(experiment).variants
        return [name for name in names if any(fnmatch.fnmatchcase(name, p) for p in patterns)]

    def seeds(self, experiment: str, variant: str) -> list[int]:
        """Seeds that the active scale runs of a variant.

        Raises:
            ConfigError: the scale does not run the variant and says nothing about its seeds.
        """
        return list(self._of_variant(experiment, variant, "seeds"))

    def all_seeds(self, experiment: str) -> list[int]:
        """Seeds that the active scale runs of any variant."""
        return sorted(
            {seed for variant in self.variants(experiment) for seed in self.seeds(experiment, variant)}
        )

    def block_size(self, experiment: str, variant: str) -> int:
        """Most seeds of a new block: what the config says for all; else what the scale says of the variant, or 30."""
        if self.entry.block_size != "auto":
            return self.entry.block_size
        given = self._active(experiment).block_size or {}
        own = (size for pattern, size in given.items() if fnmatch.fnmatchcase(variant, pattern))
        return next(own, BLOCK_SIZE)

    def length(self, experiment: str, variant: str) -> int:
        """Length of each run of a variant at the active scale, in the unit that its procedure declares.

        Raises:
            ConfigError: the scale does not run the variant and says nothing about its length.
        """
        return self._of_variant(experiment, variant, "length")

    def unit(self, experiment: str, variant: str) -> str:
        """In what a variant's length is counted: tasks, environment steps, rounds."""
        return unit_of(self.experiment(experiment).variants[variant].settings)

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

    @cached_property
    def digests(self) -> dict[str, str]:
        """16 hex digits for each active experiment: the settings of all its active variants."""
        texts = {
            name: "".join(f"{v} {self.settings_text(name, v)}\n" for v in self.variants(name))
            for name in self.experiments()
        }
        return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}

    def settings_text(self, experiment: str, variant: str) -> str:
        """The settings as JSON with sorted keys: equal settings, equal text."""
        return _text(self.settings(experiment, variant))

    def sequence(self, experiment: str, variant: str) -> str:
        """Name of the sequences a variant's seeds meet: `{problem or environment}-{8 hex}`.

        The hex digits stand for its settings, the length and its code, which draws the sequences. So equal ones
        are shared, and no file is rewritten: other code has another name.
        """
        met = sequence_key(self.settings(experiment, variant))
        key = _text({**met, "code": stage_code.sequences(met)})
        return f"{met[registry.world_part(met)]['name']}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"

    def claims(self, experiment: str) -> Claims:
        """The claims of an experiment, read once; none where its folder has none.

        Raises:
            statement.ClaimError: one line that names the file and the first mistake in it.
        """
        if experiment not in self._claims:
            home = self.experiment(experiment).home
            file = home / "claims.yaml" if home and (home / "claims.yaml").is_file() else None
            self._claims[experiment] = statement.load(experiment, file)
        return self._claims[experiment]

    def judged(self, experiment: str) -> list[tuple[str, str]]:
        """What an experiment's claims are judged from: all its active variants, and active ones that they name."""
        own = [(experiment, variant) for variant in self.variants(experiment)]
        return list(dict.fromkeys([*own, *self._only_active(self.claims(experiment).elsewhere())]))

    @cached_property
    def figure_modules(self) -> dict[str, str]:
        """All figures in the experiments' folders: name -> full name of the module.

        A figure is called like its file; where that name is taken by an experiment before it,
        `{experiment}_{file}`.
        """
        found: dict[str, str] = {}
        for name, experiment in self.all_experiments.items():
            folder = experiment.home / "figures" if experiment.home else None
            for path in registry.modules(folder) if folder else []:
                figure = f"{name}_{path.stem}" if path.stem in found else path.stem
                found[figure] = f"{registry.package_of(path.parent)}.{path.stem}"
        return found

    def figure(self, name: str) -> ModuleType:
        """The module of a figure.

        Raises:
            registry.UnknownName: no such figure.
        """
        if name not in self.figure_modules:
            allowed = list(self.figure_modules)
            hint = registry.nearest(name, allowed)
            raise registry.UnknownName(f"'{name}' is no figure (allowed: {', '.join(allowed)}){hint}")
        return registry.load(self.figure_modules[name])

    @cached_property
    def shown(self) -> dict[str, list[tuple[str, str]]]:
        """Figures that show anything at the active scale: name -> (experiment, variant) pairs."""
        needs = {name: self._only_active(self.figure(name).needs(self)) for name in self.figure_modules}
        return {name: pairs for name, pairs in needs.items() if pairs}

    def figures(self) -> dict[str, list[str]]:
        """Figures of the active scale: name -> the experiments that it shows."""
        return {name: list(dict.fromkeys(pair[0] for pair in pairs)) for name, pairs in self.shown.items()}

    def _only_active(self, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        active = self.experiments()
        return [pair for pair in pairs if pair[0] in active and pair[1] in self.variants(pair[0])]

    def _active(self, experiment: str) -> ScaleEntry:
        self.experiment(experiment)
        entries = self.all_experiments[experiment].scales
        if self.scale not in entries:
            self._unknown(f"experiment of scale {self.scale}", experiment, self.experiments())
        return entries[self.scale]

    def _of_variant(self, experiment: str, variant: str, key: str) -> Any:
        """What the active scale says of a variant under a key: that of the first pattern which fits."""
        for pattern, value in getattr(self._active(experiment), key).items():
            if fnmatch.fnmatchcase(variant, pattern):
                return value
        known = self.experiment(experiment)
        key_path = f"scales.{self.scale}.{key}"
        raise ConfigError(f"{known.file}: {key_path}: nothing fits the variant '{variant}' of {experiment}")

    def _unknown(self, what: str, name: str, allowed: list[str]) -> NoReturn:
        hint = registry.nearest(name, allowed)
        raise ConfigError(f"{self.file}: '{name}' is no {what} (allowed: {', '.join(allowed)}){hint}")


def unit_of(settings: Mapping[str, Any]) -> str:
    """In what a run's length is counted, as its procedure declares it."""
    return getattr(registry.module("procedures", settings["procedure"]["name"]), "LENGTH", "tasks")


def sequence_key(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those settings of a run that determine its sequence."""
    return {key: settings[key] for key in (registry.world_part(settings), "length")}


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)

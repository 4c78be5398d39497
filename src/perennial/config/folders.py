"""What a config names on disk: studies with their experiments, and folders of modules of a user's own.

Settings come from the study folders first, then from `config.yaml` and `--configfile`, then from `--config`. A path is
relative to the file that names it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perennial import registry
from perennial.claims import curves
from perennial.config.entries import File
from perennial.config.errors import ConfigError, Mistakes
from perennial.config.files import read_yaml
from perennial.errors import shown

STUDIES = "studies"  #: the folder beside config.yaml that holds the studies named without a path
EXPERIMENT = "experiment.yaml"
MOVED = (
    f"scales: moved: how much a scale runs of an experiment is said under `scales` in its {STUDIES}/.../{EXPERIMENT}, "
    "or in its entry under `experiments` here"
)


@dataclass(frozen=True)
class Layer:
    """What one file, or the command line, says."""

    values: Mapping[str, Any]
    file: str  #: what messages call it
    folder: Path  #: where its relative paths begin


def layer(path: Path) -> Layer:
    """A config file as a layer.

    Raises:
        ConfigError: it cannot be read.
    """
    return Layer(read_yaml(path), str(path), path.parent)


@dataclass(frozen=True)
class Entry:
    """One experiment as it was read: not yet validated."""

    values: Any
    file: str  #: what messages call its file, or files
    path: str  #: dotted key of the entry within that file; "" for a file of its own
    home: Path | None  #: the experiment's folder


def merge(layers: Sequence[Layer]) -> dict[str, Any]:
    """All layers as one, the last laid over the others, with every path made absolute.

    Raises:
        ConfigError: a file of an older version, whose keys stand elsewhere now.
    """
    whole: dict[str, Any] = {}
    for layer in layers:
        if "scales" in layer.values:
            raise ConfigError(f"{layer.file}: {MOVED}")
        values = dict(layer.values)
        for key in (STUDIES, *registry.PACKAGES):
            if isinstance(values.get(key), list):
                values[key] = [_path(key, name, layer, layers[0]) for name in values[key]]
        whole = laid_over(whole, values)
    return whole


def _path(key: str, name: Any, layer: Layer, first: Layer) -> Any:
    """A path from the file that names it; the plain name of a study is one beside config.yaml."""
    if not isinstance(name, str):
        return name  # a mistake, told when the file is validated
    plain = key == STUDIES and "/" not in name and name != ".."
    return os.path.abspath(first.folder / STUDIES / name if plain else layer.folder / name)


def laid_over(base: Any, over: Any) -> Any:
    """Mappings are merged key by key; anything else is replaced."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return over
    return {**base, **{key: laid_over(base.get(key), value) for key, value in over.items()}}


def read(file: File, mistakes: Mistakes) -> dict[str, Entry]:
    """The experiments of all studies in their order, then those that only the config names.

    Folders of modules are searched by the registry from now on.

    Raises:
        ConfigError: an experiment's file cannot be read.
        registry.NameTaken: two modules of one kind have one name.
    """
    for kind in registry.PACKAGES:
        for folder in getattr(file, kind):
            _add_modules(kind, Path(folder), mistakes)
    found: dict[str, Entry] = {}
    for folder in map(Path, file.studies):
        curves.add_study(folder)
        for kind in registry.PACKAGES:
            if (folder / kind).is_dir():
                registry.add_folder(kind, folder / kind)
        for name, entry in _experiments(folder, mistakes).items():
            if name in found:
                mistakes.of(entry.file).add("", f"there is another experiment '{name}' ({found[name].file})")
            found[name] = entry
    for name, values in file.experiments.items():
        known, path = found.get(name), f"experiments.{name}"
        if known:
            both = f"{known.file} + {mistakes.file}"
            found[name] = Entry(laid_over(known.values, values), both, "", known.home)
        elif isinstance(values, Mapping) and "variants" not in values:  # meant to lie over one that is there
            mistakes.unknown(path, name, list(found))
        else:
            found[name] = Entry(values, mistakes.file, path, None)
    return found


def _add_modules(kind: str, folder: Path, mistakes: Mistakes) -> None:
    if folder.is_dir():
        registry.add_folder(kind, folder)
    else:
        mistakes.add(kind, f"'{folder}' is not allowed (must be a folder)")


def _experiments(folder: Path, mistakes: Mistakes) -> dict[str, Entry]:
    """The experiments of one study, by their `order`, then by name."""
    if not folder.is_dir() or (folder / EXPERIMENT).is_file():
        what = "is one experiment" if folder.is_dir() else "is not there"
        mistakes.add(STUDIES, f"'{folder}' {what} (must be a folder of experiments)")
        return {}
    entries = [
        Entry(read_yaml(path), shown(path), "", path.parent) for path in folder.glob(f"*/{EXPERIMENT}")
    ]
    return {entry.home.name: entry for entry in sorted(entries, key=_place) if entry.home}


def _place(entry: Entry) -> tuple[float, str]:
    order = entry.values.get("order")
    return order if isinstance(order, int) else float("inf"), str(entry.home)

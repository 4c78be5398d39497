"""Variants of an experiment: merge, grids, and the typed settings of each part.

A variant's problem or environment, network, procedure and measures are laid over the experiment's. A grid makes one
variant for each combination of its values and names it after them.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from perennial import registry
from perennial.config.entries import ExperimentEntry, Measure, VariantEntry
from perennial.config.errors import Mistakes, under

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
SMALLEST_PLAIN = 1e-3  # smaller numbers are named in scientific form: 1e-4
LARGEST_PLAIN = 1e6


@dataclass(frozen=True)
class Variant:
    """One variant with canonical settings: problem or environment, procedure, network, algorithm, measures."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One part before it is typed: its keys, and where in the file each of them stands."""

    values: dict[str, Any]
    places: dict[str, str]
    path: str

    def under(self, values: dict[str, Any], path: str) -> Part:
        """This part with other keys laid over it. Another name starts afresh: these keys are not its own."""
        if "name" in values and values["name"] != self.values.get("name"):
            return Part(values, {key: f"{path}.{key}" for key in values}, path)
        places = {**self.places, **{key: f"{path}.{key}" for key in values}}
        return Part({**self.values, **values}, places, self.path)

    def where(self, key: str) -> str:
        """The dotted key in the file."""
        return self.places.get(key, f"{self.path}.{key}" if key else self.path)


def part(values: dict[str, Any], path: str) -> Part:
    """A part whose keys all stand at one key_path of the file."""
    return Part(values, {key: f"{path}.{key}" for key in values}, path)


def read_world(entry: ExperimentEntry, path: str, mistakes: Mistakes) -> dict[str, Any] | None:
    """Canonical settings of the problem or environment, or None after noting what is wrong."""
    name = registry.world_part(vars(entry))
    given = [part for part in registry.WORLDS if getattr(entry, part)]
    if len(given) != 1:
        wrong, key_path = ("is one too many", given[-1]) if given else ("is missing", name)
        mistakes.add(under(path)(key_path), f"{wrong} (give one of {', '.join(registry.WORLDS)})")
        return None
    return _typed(name, part(getattr(entry, name), under(path)(name)), mistakes)


def read_variants(entry: ExperimentEntry, path: str, mistakes: Mistakes) -> dict[str, Variant] | None:
    """All variants of an experiment by name, or None after noting what is wrong."""
    found: dict[str, Variant] = {}
    texts: dict[str, str] = {}
    good = True
    for name, given in entry.variants.items():
        key_path = under(path)(f"variants.{name}")
        variant = mistakes.validate(VariantEntry, given, under(key_path))
        members = [] if variant is None else list(_members(str(name), variant, key_path, mistakes))
        good &= bool(members)
        for member, changes in members:
            settings = _settings(entry, variant, changes, path, key_path, mistakes)
            if not NAME.fullmatch(member):
                mistakes.add(
                    key_path, f"'{member}' is not allowed as a name (must be letters, digits, _ . + -)"
                )
            if member in found:
                mistakes.add(key_path, f"there are two variants called '{member}'")
            if settings is None:
                good = False
                continue
            text = json.dumps(settings, sort_keys=True)
            if text in texts:
                mistakes.add(
                    key_path, f"'{member}' has the same settings as '{texts[text]}'; keep one of them"
                )
            texts.setdefault(text, member)
            found[member] = Variant(member, settings)
    return found if good else None


def value_name(value: Any) -> str:
    """How a value appears in a variant's name: 0.01, 1e-4, relu."""
    if isinstance(value, list):
        return "x".join(map(value_name, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if value == 0 or SMALLEST_PLAIN <= abs(value) < LARGEST_PLAIN:
        return f"{value:g}"
    mantissa, exponent = f"{value:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def _members(name: str, variant: VariantEntry, path: str, mistakes: Mistakes) -> Iterator[tuple[str, dict]]:
    """(name, {dotted key: value}) of each variant that an entry stands for."""
    keys = list(variant.grid)
    for key in keys:
        owner, _, rest = key.partition(".")
        if owner not in registry.PARTS or not rest or "." in rest:
            allowed = ", ".join(f"{owner}.KEY" for owner in registry.PARTS)
            mistakes.add(f"{path}.grid.{key}", f"unknown key (allowed: {allowed})")
            return
        if rest in getattr(variant, owner):
            mistakes.add(f"{path}.grid.{key}", f"is given twice (also as {path}.{key})")
            return
    for values in itertools.product(*variant.grid.values()):
        changes = dict(zip(keys, values, strict=True))
        member = _member_name(name, {key: value_name(value) for key, value in changes.items()})
        if member is None:
            short = ", ".join(f"{{{key.partition('.')[2]}}}" for key in keys)
            mistakes.add(path, f"'{name}' is not allowed as a name (must hold every grid key once: {short})")
            return
        yield member, changes


def _member_name(name: str, values: dict[str, str]) -> str | None:
    """`relu` -> `relu_0.01`, `{activation}_{step_size}` -> `relu_0.01`; None when the braces do not fit."""
    if "{" not in name:
        return "_".join([name, *values.values()])
    short = {key.partition(".")[2]: value for key, value in values.items()}
    if sorted(re.findall(r"{(\w+)}", name)) != sorted(short):
        return None
    return name.format(**short)


def _settings(
    entry: ExperimentEntry, variant: VariantEntry, changes: dict, path: str, key_path: str, mistakes: Mistakes
) -> dict[str, Any] | None:
    """Canonical settings of one variant, or None after noting what is wrong."""
    parts = {
        name: part(getattr(entry, name), under(path)(name)).under(
            getattr(variant, name), f"{key_path}.{name}"
        )
        for name in (registry.world_part(vars(entry)), "procedure", "network")
    }
    parts["algorithm"] = part(variant.algorithm, f"{key_path}.algorithm")
    for dotted, value in changes.items():
        owner, _, key = dotted.partition(".")
        base = parts.get(owner, part({}, f"{key_path}.{owner}"))
        parts[owner] = base.under({key: value}, f"{key_path}.grid.{owner}")
    learns_from = registry.world_part(vars(entry))
    if parts[learns_from].values.get("name") != getattr(entry, learns_from).get("name"):
        text = f"is not allowed (another {learns_from} is another experiment)"
        mistakes.add(parts[learns_from].where("name"), text)
        return None
    typed = {name: _typed(name, found, mistakes) for name, found in parts.items()}
    measures = _measures(entry, variant, path, key_path, mistakes)
    if measures is None or None in typed.values():
        return None
    return {**typed, "measures": measures}


def _measures(
    entry: ExperimentEntry, variant: VariantEntry, path: str, key_path: str, mistakes: Mistakes
) -> dict[str, Any] | None:
    measures: dict[str, Any] = {}
    for given, base in ((entry.measures, path), (variant.measures, key_path)):
        at = under(base)("measures")
        for name, values in given.items():
            if name not in registry.names("measures"):
                mistakes.unknown(at, name, registry.names("measures"))
                return None
            found = mistakes.validate(Measure, values, under(f"{at}.{name}"))
            if found is None:
                return None
            measures[name] = found.model_dump(mode="json")
    return measures


def _typed(kind: str, given: Part, mistakes: Mistakes) -> dict[str, Any] | None:
    """Canonical settings of a part: every default filled in, floats as floats, with the module's name."""
    kinds = registry.PARTS[kind]
    allowed = registry.names(kinds)
    name = given.values.get("name")
    if name is None:
        mistakes.add(f"{given.path}.name", f"is missing (must be one of {', '.join(allowed)})")
        return None
    if name not in allowed:
        mistakes.unknown(given.where("name").removesuffix(".name"), name, allowed)
        return None
    values = {key: value for key, value in given.values.items() if key != "name"}
    settings = mistakes.validate(registry.module(kinds, name).Settings, values, given.where)
    return None if settings is None else {"name": name, **settings.model_dump(mode="json")}

"""What a sealed file says it is, held against what was asked for.

A whole file may lie in the wrong place: copied into another variant's folder, or left from other settings. Its name
and its date prove nothing, so every reader compares what the file says itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SHOWN = 3  # settings that a reason names


def attributes(experiment: str, variant: str, seeds: Iterable[int]) -> dict[str, Any]:
    """What a file says it is, beside its record, which says its kind: attributes of the root of an HDF5 file."""
    names = {"experiment": experiment, "variant": variant}
    return {key: name for key, name in names.items() if name} | {"seeds": list(seeds)}


def mismatch(
    found: Mapping[str, Any],
    kind: str,
    experiment: str = "",
    variant: str = "",
    *,
    seeds: Iterable[int] | None = None,
    settings: Mapping[str, Any] | None = None,
    code: str | None = None,
) -> str | None:
    """In what a file is not what was asked for, in words that follow its name, or None where it is.

    Args:
        found: root attributes of the file.
        kind: dataset, sequences, run, metrics or checkpoint.
        experiment, variant: wanted ones. Files of earlier versions do not say theirs; then these are not compared.
        seeds: exactly those that it must hold; None: any.
        settings: those that it must have been made with; None: any.
        code: hash of the code that must have made it; None: any.
    """
    name = str(found.get("kind", kind))
    if name != kind:
        return f"is of kind {name}, wanted {kind}"
    if others := _other_variant(found, experiment, variant):
        return f"is a {kind} of {others}" if kind != "metrics" else f"holds metrics of {others}"
    if seeds is not None:
        held, wanted = (sorted(int(seed) for seed in some) for some in (found.get("seeds", ()), seeds))
        if held != wanted:
            return f"holds seeds {listed(held)}, wanted {listed(wanted)}"
    made = "trained" if kind in ("run", "checkpoint") else "made"
    if settings is not None:
        different = differences(_plain(found.get("settings", {})), _plain(settings))
        if different:
            return f"was {made} with other settings ({'; '.join(different[:SHOWN])})"
    if code is not None and str(found.get("code", "")) != code:
        return f"was {made} by other code"
    return None


def differences(recorded: Any, wanted: Any) -> list[str]:
    """`algorithm.step_size: 0.003 there, 0.01 wanted` for every key that differs."""
    return [f"{key}: {there} there, {here} wanted" for key, there, here in differing(recorded, wanted)]


def differing(one: Any, other: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, value in one, value in the other) wherever nested dicts differ; `nothing` where a key lacks."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted(one.keys() | other.keys()):
            values = one.get(name, "nothing"), other.get(name, "nothing")
            yield from differing(*values, f"{key}.{name}" if key else name)
    elif one != other:
        yield key, one, other


def listed(seeds: list[int], most: int = 8) -> str:
    """`0 to 29`, or `0, 2, 5`."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    more = f" and {len(seeds) - most} more" if len(seeds) > most else ""
    return (", ".join(map(str, seeds[:most])) or "none") + more


def _other_variant(found: Mapping[str, Any], experiment: str, variant: str) -> str | None:
    """`regression/tanh, wanted relu` where the file is of another variant."""
    there = str(found.get("experiment", experiment)), str(found.get("variant", variant))
    wanted = experiment or there[0], variant or there[1]
    if there == wanted:
        return None
    return f"{'/'.join(there)}, wanted {wanted[1] if there[0] == wanted[0] else '/'.join(wanted)}"


def _plain(settings: Any) -> Any:
    """Settings as JSON reads them; attributes hold them as its text."""
    return json.loads(settings if isinstance(settings, str) else json.dumps(settings))

"""The plan in sentences: what would run and why, and where its figures come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from perennial import registry
from perennial.dag.stage_code import dataset_of
from perennial.estimate import gpu
from perennial.estimate.budget import Budget, Row
from perennial.estimate.kinds import Kind
from perennial.files import provenance

MOST = 5  # names, or reasons, that are listed
OTHERS = {"metrics": "metrics file", "figure": "figure", "claim": "claims table", "report": "report"}


def dry_run(rows: Iterable[Row]) -> list[str]:
    """For each experiment what would be made, and why."""
    return [line for row in rows for line in _of_row(row)]


def _of_row(row: Row) -> list[str]:
    if all(job.rule == "report" and not job.outputs for job in row.to_do):
        return [f"{row.name}: nothing to do"]  # its target always looks at the report again
    why: dict[str, list[str]] = {}
    for job in row.to_do:
        if job.rule == "train":
            why.setdefault(job.reason, []).append(job.pair[1])
    to_do, done = row.count("train")
    kept = f", keep {done:,}" if done else ""
    lines = [f"{row.name}: would train {_some(to_do, 'block')}{kept}"]
    for reason, variants in sorted(why.items(), key=lambda item: -len(item[1]))[:MOST]:
        lines.append(f"  {len(variants):,} of {_named(list(dict.fromkeys(variants)))}: {reason}")
    if len(why) > MOST:
        lines.append(f"  and others for {len(why) - MOST} more reasons")
    counts = [(row.count(rule)[0], name) for rule, name in OTHERS.items()]
    lines.append("  then make " + ", ".join(_some(n, name) for n, name in counts if n))
    return lines


def sources(budget: Budget) -> list[str]:
    """How the figures were found, and what is not known."""
    timings, found = budget.timings, budget.sources
    apart: dict[str, list[Kind]] = {}
    for kind in found:
        if kind not in timings.measured:
            apart.setdefault(timings.why_not[kind], []).append(kind)
    timed = len(found) - sum(map(len, apart.values()))
    lines = [
        f"timed on this machine ({provenance.device()}): {timed:,} of {_some(len(found), 'kind')} of runs"
    ]
    for why, kinds in apart.items():
        lines += [f"not timed, {why}: {_some(len(kinds), 'kind')}", *_neighbours(budget, kinds)]
    if apart and any("time" in why for why in apart):
        lines.append("  more time times more of them: perennial plan --seconds 300")
    if names := _made_up(budget):
        lines.append(
            f"data that are not there, timed with made-up ones of the right shape: {', '.join(names)}"
        )
    table = budget.gpu_table
    lines.append(f"GPU: {table['device']}, benchmarks/gpu.json" if table.get("rows") else gpu.NO_FIGURES)
    return lines


def _neighbours(budget: Budget, kinds: list[Kind]) -> list[str]:
    """What was taken in place of the kinds' own timings."""
    told: Counter[str] = Counter()
    for kind in kinds:
        found = budget.sources[kind]
        if found is None or found.like is None:
            own = kind.settings
            told[f"of {own['algorithm']['name']}, {_world(own)}: cost not known, nothing near was timed"] += 1
        elif budget.weights[kind] == budget.weights[found.like]:
            told[f"taken from {found.like.settings['algorithm']['name']} on a network of the same size"] += 1
        else:
            told[f"{label(kind)}: taken from {label(found.like)}, by weights, x {found.factor:.3g}"] += 1
    return [f"  {count} {text}" for text, count in told.items()]


def label(kind: Kind) -> str:
    """`adam, permuted_mnist, [2000, 2000, 2000] relu`: a kind in a few words."""
    own = kind.settings
    network = " ".join(str(value) for key, value in own["network"].items() if key != "name")
    stack = f", {kind.runs} runs in a stack" if kind.runs > 1 else ""
    return f"{own['algorithm']['name']}, {_world(own)}, {network}{stack}"


def _world(settings: dict[str, Any]) -> str:
    """The name of the problem or environment."""
    return next(settings[part]["name"] for part in registry.WORLDS if part in settings)


def _made_up(budget: Budget) -> list[str]:
    names = {dataset_of(kind.settings) for kind in budget.sources}
    return sorted(name for name in names if name and not budget.timings.materials.is_there(name))


def _some(n: int, word: str) -> str:
    return f"{n:,} {word}{'s' * (n != 1)}"


def _named(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MOST else f"{len(names)} variants"

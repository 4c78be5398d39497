"""The plan in sentences: what would run and why, and where its figures come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from perennial import provenance
from perennial.plan import gpu
from perennial.plan.budget import Budget, Row
from perennial.plan.jobs import NEW, Job
from perennial.plan.kinds import Kind

MOST = 6  # names that are listed


def dry_run(rows: Iterable[Row]) -> list[str]:
    """For each experiment what would be made, and why."""
    return [line for row in rows for line in _of_row(row)]


def _of_row(row: Row) -> list[str]:
    if not any(job.reason for job in row.jobs):
        return [f"{row.name}: nothing to do"]
    to_do = [job for job in row.jobs if job.stage == "train" and job.reason]
    done = row.count("train")[1]
    kept = f"; {done} stay as they are" if done else ""
    if not to_do:
        return [f"{row.name}: would train nothing{kept}; would make {_others(row)}"]
    reasons = Counter(str(job.reason) for job in to_do)
    parts = [
        f"{count} of {_named(_variants(to_do, reason))}: {reason}" for reason, count in reasons.most_common()
    ]
    if set(reasons) == {NEW}:
        parts = [f"of {_named(_variants(to_do, NEW))}, {NEW}"]
    return [
        f"{row.name}: would train {_some(len(to_do), 'block')} {'; '.join(parts)}{kept}; then make {_others(row)}"
    ]


def _others(row: Row) -> str:
    counts = [
        (row.count(stage)[0], word) for stage, word in (("metrics", "metrics file"), ("figure", "figure"))
    ]
    counts += [(row.count("claim")[0], "table of claims")]
    return ", ".join(_some(n, word) for n, word in counts if n) or "the report"


def _some(n: int, word: str) -> str:
    return (
        f"{n:,} {word}"
        if n == 1
        else f"{n:,} {word.replace('table', 'tables') if ' of ' in word else word + 's'}"
    )


def _variants(jobs: Iterable[Job], reason: str) -> list[str]:
    return list(dict.fromkeys(job.variant for job in jobs if job.reason == reason))


def _named(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= MOST else f"{len(names)} variants"


def sources(budget: Budget) -> list[str]:
    """How the figures were found, and what is not known."""
    timings, found = budget.timings, budget.sources
    timed = [kind for kind in found if kind in timings.measured]
    lines = [
        f"Timed on this machine ({provenance.device()}), in CPU seconds: {_some(len(timed), 'kind')} of runs of "
        f"{len(found):,}."
    ]
    apart = [kind for kind in found if kind not in timings.measured]
    for why in dict.fromkeys(timings.why_not[kind] for kind in apart):
        lines += _not_timed(budget, why, [kind for kind in apart if timings.why_not[kind] == why])
    lines += [
        f"Made-up data of the right shape stood in for: {', '.join(sorted(names))}."
        for names in [_made_up(budget)]
        if names
    ]
    lines.append(_gpu(budget))
    return lines


def _not_timed(budget: Budget, why: str, apart: list[Kind]) -> list[str]:
    """Those that were left out for one reason, and from which neighbour each is estimated."""
    pairs: dict[str, list[str]] = {}
    for kind in apart:
        found = budget.sources[kind]
        if found is None or found.like is None:
            pairs.setdefault("not known at all: nothing of their engine was timed", []).append(label(kind))
            continue
        apart_by = "" if abs(found.factor - 1) < 0.01 else f" by weights, x {found.factor:.3g}"
        pairs.setdefault(f"taken from {label(found.like)}{apart_by}", []).append(label(kind))
    head = f"Not timed ({why}): {_some(len(apart), 'kind')}"
    return [head + ":", *(f"  {_named(list(dict.fromkeys(names)))}: {text}" for text, names in pairs.items())]


def label(kind: Kind) -> str:
    """`adam, 784-input permuted_mnist, hidden 2000x3 relu`: a kind in a few words."""
    own = kind.settings
    network = " ".join(str(value) for key, value in own["network"].items() if key != "name")
    stack = f", {kind.runs} runs in a stack" if kind.runs > 1 else ""
    optimiser = own["algorithm"].get("optimiser")
    extra = f" on {optimiser}" if optimiser not in (None, "sgd") else ""
    return f"{own['algorithm']['name']}{extra} {own['problem']['name']} {network}{stack}"


def _made_up(budget: Budget) -> set[str]:
    from perennial import registry

    names = {registry.module("problems", kind.settings["problem"]["name"]).DATASET for kind in budget.sources}
    return {name for name in names if name and not budget.timings.materials.is_there(name)}


def _gpu(budget: Budget) -> str:
    table = budget.gpu_table
    return f"GPU: {table['device']}, benchmarks/gpu.json." if table.get("rows") else gpu.NO_FIGURES + "."

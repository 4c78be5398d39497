"""Many verdicts in a line or two: what is decided comes first, then what would settle the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from perennial.claims.verdict import CONTRADICTED, INCONCLUSIVE, NOT_RUN, REPRODUCED

DECIDED = (REPRODUCED, CONTRADICTED)
WORDS = {INCONCLUSIVE: "open", NOT_RUN: "not run"}


def of_parts(verdicts: Sequence[str]) -> str:
    """`16 of 18 parts reproduced, 2 open`; empty where there is only one part."""
    if len(verdicts) < 2:
        return ""
    count = Counter(verdicts)
    first = f"{count[REPRODUCED]} of {len(verdicts)} parts reproduced"
    rest = [f"{count[kind]} {WORDS.get(kind, kind)}" for kind in (CONTRADICTED, *WORDS) if count[kind]]
    return ", ".join([first, *rest])


def of_claims(verdicts: Sequence[str]) -> str:
    """`12 of 20 claims are decided: 10 reproduced, 2 contradicted; 7 open, 1 not run`."""
    count = Counter(verdicts)
    decided = sum(count[kind] for kind in DECIDED)
    kinds = [f"{count[kind]} {kind}" for kind in DECIDED if count[kind]]
    rest = [f"{count[kind]} {word}" for kind, word in WORDS.items() if count[kind]]
    head = f"{decided} of {len(verdicts)} claims {'is' if decided == 1 else 'are'} decided"
    told = f"{head}: {', '.join(kinds)}" if kinds else head
    return f"{told}; {', '.join(rest)}" if rest else told


def to_settle(rows: Sequence[Mapping[str, str]]) -> str:
    """What would settle the open claims, in one line; empty where nothing is open.

    Args:
        rows: with id, verdict and settled_by, as in `claims.csv`.
    """
    wanted = [
        f"{row['id']} {row['settled_by']}"
        for row in rows
        if row["verdict"] == INCONCLUSIVE and row["settled_by"]
    ]
    return f"To settle the open ones: {'; '.join(wanted)}" if wanted else ""


def hours(of_core: float) -> str:
    """`0.4 core-hours`, `3 core-minutes`."""
    if of_core < 0.1:
        return f"{max(of_core * 60, 0.1):.2g} core-minutes"
    return f"{of_core:.3g} core-hours" if of_core < 1000 else f"{of_core:,.0f} core-hours"

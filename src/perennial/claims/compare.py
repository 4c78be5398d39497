"""A user's own algorithm against every other variant of the experiment: paired differences, intervals, Holm.

Own is an algorithm whose file lies outside the package.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from perennial import registry
from perennial.claims.data import Results
from perennial.claims.statement import Claims
from perennial.claims.statistic import evaluate
from perennial.claims.verdict import FEWEST, interval
from perennial.claims.windows import NotRun

ALPHA = 0.05


def holm(p: list[float]) -> list[float]:
    """Holm-adjusted p values, in the given order (S. Holm, Scand. J. Statist. 6, 1979)."""
    adjusted = [0.0] * len(p)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def own_variants(results: Results) -> list[str]:
    """Variants of the experiment whose algorithm is a user's own, in the given order."""
    here = [variant for variant in results if "/" not in variant]
    return [variant for variant in here if registry.is_own("algorithms", _algorithm(results, variant))]


def _algorithm(results: Results, variant: str) -> str:
    return str(results[variant].settings.get("algorithm", {}).get("name", ""))


def compare(claims: Claims, results: Results) -> list[dict[str, Any]]:
    """One row per comparison of an own variant with one of another algorithm, same network and problem.

    The p values of one own variant are a family of their own (Holm). Fewer than 3 seeds show no difference.
    """
    if claims.headline is None:
        return []
    own = own_variants(results)
    done: set[tuple[str, str]] = set()
    rows: list[dict[str, Any]] = []
    for variant in own:
        family = []
        for other in (name for name in results if "/" not in name):
            a, b = results[variant].settings, results[other].settings
            same = all(a.get(part) == b.get(part) for part in ("network", *registry.WORLDS, "length"))
            if not same or _algorithm(results, other) == _algorithm(results, variant):
                continue
            if (other, variant) not in done:  # two own algorithms meet once
                done.add((variant, other))
                family.append(_row(variant, other, claims, results))
        rows += _adjusted(family)
    return rows


def _row(variant: str, other: str, claims: Claims, results: Results) -> dict[str, Any]:
    assert claims.headline is not None
    name = claims.headline.window
    row: dict[str, Any] = {
        "id": f"{variant} vs {other}",
        "experiment": claims.experiment,
        "variant": variant,
        "other": other,
        "metric": claims.headline.metric,
        "window": claims.windows[name].text,
        "better": claims.headline.better,
        "units": "",
        **dict.fromkeys(("estimate", "low", "high", "p")),
        "n": 0,
        "diverged": 0,
        "reason": "",
    }
    metric = claims.headline.metric
    try:
        sample = evaluate(
            {"difference": [f"{v} {metric} @ {name}" for v in (variant, other)]}, claims, results
        )
    except NotRun as missing:
        return row | {"reason": str(missing)}
    found = interval(sample.values)
    return row | {
        "units": sample.units,
        "n": found.n,
        "diverged": sample.diverged,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "p": paired_p(sample.values),
    }


def paired_p(differences: np.ndarray) -> float | None:
    """Two-sided p of the paired t test on differences of shape [seed]; None when there is none."""
    if len(differences) < 2 or not np.isfinite(differences).all():
        return None
    if (
        np.ptp(differences) == 0
    ):  # the test divides by zero; equal runs differ by nothing, else by exactly that
        return 1.0 if differences[0] == 0 else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _adjusted(family: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tested = [row for row in family if row["p"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = p
    for row in family:
        row.setdefault("p_holm", None)
        row["family"] = len(tested)
        row["verdict"], reason = _verdict(row)
        row["reason"] = row["reason"] or reason
    return family


def _verdict(row: dict[str, Any]) -> tuple[str, str]:
    p = row["p_holm"]
    if row["diverged"]:
        return "no difference shown", f"{row['diverged']} of {row['n']} seeds diverged"
    if p is None:
        finite = row["n"] >= 2 and not math.isfinite(row["estimate"])
        return "no difference shown", "some seeds are not finite numbers" if finite else "too few seeds"
    if row["n"] < FEWEST:
        return (
            "no difference shown",
            f"only {row['n']} seeds: fewer than {FEWEST} can never show a difference",
        )
    if p >= ALPHA:
        return "no difference shown", f"Holm-adjusted p = {p:.2g}"
    better = (row["estimate"] < 0) == (row["better"] == "lower")
    return ("better" if better else "worse"), f"Holm-adjusted p = {p:.2g}"

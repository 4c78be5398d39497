"""All claims of an experiment against its metrics files: from expressions to plain dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perennial.claims import compare, data, records, summary
from perennial.claims.data import Results
from perennial.claims.expression import terms
from perennial.claims.reference import published_value
from perennial.claims.statement import Band, Claim, Claims, Part
from perennial.claims.statistic import Sample, describe, evaluate
from perennial.claims.verdict import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    REPRODUCED,
    Judged,
    Verdict,
    combine,
    interval,
    judge_interval,
    with_diverged,
)
from perennial.claims.windows import NotRun
from perennial.files import provenance


def judge(claims: Claims, metrics_files: Mapping[str, Path], csv: Path, json: Path, code: str = "") -> None:
    """Judge the claims of an experiment and write them as a CSV of verdicts and a JSON with all detail.

    Args:
        claims: from `statement.load`.
        metrics_files: finished metrics file of each active variant, of another experiment's as `experiment/variant`;
            any other variant counts as not run.
        csv: columns id, experiment, n, estimate, low, high, published, verdict.
        json: statements, sources, bands, parts, per-seed values, comparisons of a user's own algorithms, and what
            they were made from.
        code: hash of the code that judges.

    Raises:
        ClaimError: one line that names the file that is missing, bad, or not understood.
    """
    results = data.read(metrics_files, claims.experiment)
    found = verdicts(claims, results)
    about = {
        "experiment": claims.experiment,
        "variants": {name: known.settings for name, known in results.items()},
    }
    inputs = {
        provenance.name_from(json, path): results[name].checksum for name, path in metrics_files.items()
    }
    made = provenance.record("claims", about, code, inputs, libraries=("scipy",))
    records.write(found | {"provenance": made}, Path(csv), Path(json))


def verdicts(claims: Claims, results: Results) -> dict[str, Any]:
    """The content of the JSON file; numbers that do not exist are NaN or None until written."""
    headline = None
    if claims.headline:
        metric = claims.headline.metric
        units = {v.metrics[metric].units for v in results.values() if metric in v.metrics}
        headline = {
            "metric": metric,
            "window": claims.windows[claims.headline.window].text,
            "better": claims.headline.better,
            "units": ", ".join(sorted(units)),
        }
    return {
        "format": 1,
        "experiment": claims.experiment,
        "title": claims.title,
        "ours": claims.ours,
        "headline": headline,
        "claims": [_claim(claim, claims, results) for claim in claims.claims],
        "comparisons": compare.compare(claims, results),
    }


def _claim(claim: Claim, claims: Claims, results: Results) -> dict[str, Any]:
    pairs = [_part(part, claim, claims, results) for part in claim.parts]
    verdict, binding = combine([judged for judged, _ in pairs], claim.quantifier)
    parts = [row for _, row in pairs]
    shown: dict[str, Any] = {"n": 0, **dict.fromkeys(("estimate", "low", "high"))}
    worst = parts[0] if binding is None else parts[binding]
    if binding is not None:
        shown = {key: worst[key] for key in shown}
    return {
        "id": claim.id,
        "experiment": claims.experiment,
        "statement": claim.statement,
        "source": claim.source.model_dump(),
        "kind": claim.kind,
        "ours": claims.ours,
        "quantifier": claim.quantifier,
        **_verdict(verdict),
        **shown,
        "n_planned": _planned(claim, claims, results),
        # without a binding part, a number of one of several parts would mislead
        "published": "" if binding is None and len(parts) > 1 else worst["published"],
        "band": worst["band"],
        "margin": worst["margin"],
        "parts_judged": sum(row["verdict"] != NOT_RUN for row in parts),
        "parts_total": len(parts),
        "parts_decided": sum(row["verdict"] in (REPRODUCED, CONTRADICTED) for row in parts),
        "parts_text": summary.of_parts([row["verdict"] for row in parts]),
        "settled_by": verdict.needed if verdict.verdict == INCONCLUSIVE else "",
        "binding": binding,
        "parts": parts,
        "observations": [_observation(part, claim, claims, results) for part in claim.observations],
        "note": claim.note,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "needed_n": verdict.needed_n,
        "needed": verdict.needed,
    }


def _planned(claim: Claim, claims: Claims, results: Results) -> int | None:
    """Seeds planned for every variant of the claim that is there; None when none is."""
    named = {variant for part in claim.parts for variant, _, _ in terms(part.statistic, claims.metric)}
    planned = [set(results[variant].planned) for variant in sorted(named) if variant in results]
    return len(set.intersection(*planned)) if planned else None


def _part(part: Part, claim: Claim, claims: Claims, results: Results) -> tuple[Judged, dict[str, Any]]:
    assert part.band is not None
    limits = part.band.limits
    kind = part.kind or claim.kind
    row = _described(part, kind, claims)
    row["band"] = _band(part.band)
    row["margin"] = _margin(limits) if kind == "ordinal" else None
    try:
        sample = evaluate(part.statistic, claims, results)
    except NotRun as missing:
        verdict = Verdict(NOT_RUN, str(missing))
        return Judged(part.label, verdict, None, limits), row | _verdict(verdict) | _numbers(None)
    row["units"] = _units(part, sample)
    found = interval(sample.values)
    verdict = judge_interval(found, limits)
    verdict = with_diverged(verdict, sample.diverged, found.n, part.about_divergence)
    return Judged(part.label, verdict, found, limits), row | _verdict(verdict) | _numbers(sample)


def _observation(part: Part, claim: Claim, claims: Claims, results: Results) -> dict[str, Any]:
    row = _described(part, part.kind or claim.kind, claims) | {"band": None, "margin": None}
    try:
        sample = evaluate(part.statistic, claims, results)
    except NotRun as missing:
        return row | _verdict(Verdict("", str(missing))) | _numbers(None)
    return row | {"units": _units(part, sample)} | _verdict(Verdict("", "")) | _numbers(sample)


def _units(part: Part, sample: Sample) -> str:
    if part.units is not None:
        return part.units
    ratio = isinstance(part.statistic, dict) and "ratio" in part.statistic
    return "ratio" if ratio else sample.units


def _described(part: Part, kind: str, claims: Claims) -> dict[str, Any]:
    return {
        "label": part.label,
        "kind": kind,
        "statistic": describe(part.statistic, claims),
        "variants": list(dict.fromkeys(variant for variant, _, _ in terms(part.statistic, claims.metric))),
        "published": _published(part, claims),
        "units": part.units or "",
    }


def _numbers(sample: Sample | None) -> dict[str, Any]:
    if sample is None:
        return {
            "n": 0,
            **dict.fromkeys(("estimate", "low", "high", "sd")),
            "values": [],
            "places": {},
            "diverged": 0,
        }
    found = interval(sample.values)
    numbers: dict[str, Any] = {
        "n": found.n,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "sd": found.sd,
        "values": [
            [int(seed), float(value)] for seed, value in zip(sample.seeds, sample.values, strict=True)
        ],
        "places": sample.places,
        "diverged": sample.diverged,
    }
    return numbers


def _published(part: Part, claims: Claims) -> str:
    """The published number as text; `> 1.2` where the figure is cut off; empty when there is none."""
    if part.published is None or claims.ours:
        return ""
    if part.published != "curve":
        return part.published if isinstance(part.published, str) else f"{part.published:.10g}"  # as stated
    value = published_value(part.statistic, claims)
    if value is None:
        return ""
    return f"{value[1]} {value[0]:.4g}".strip()


def _band(band: Band) -> dict[str, Any]:
    low, high = band.limits
    return {"low": low, "high": high, "why": band.why}


def _margin(limits: tuple[float, float]) -> float | None:
    """What an ordinal difference must reach: its only edge; None when both or none are closed."""
    closed = [edge for edge in limits if math.isfinite(edge)]
    return closed[0] if len(closed) == 1 else None

"""What the page takes from files of verdicts: every field that the template shows, with its type.

A file that was edited, or written by another version, becomes a remark; it cannot keep the page from being made.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from perennial.claims.verdict import CONTRADICTED, INCONCLUSIVE, NOT_RUN, REPRODUCED

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e300, le=1e300)] | None
Verdict = Literal["reproduced", "contradicted", "inconclusive", "not run"]
assert Verdict.__args__ == (REPRODUCED, CONTRADICTED, INCONCLUSIVE, NOT_RUN), "as they are judged"


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True)


class _Band(_Shape):
    low: Number
    high: Number
    why: str = ""


class _Part(_Shape):
    label: str
    statistic: str
    units: str
    published: str
    reason: str
    needed: str
    n: int
    estimate: Number
    low: Number
    high: Number
    margin: Number
    band: _Band | None
    variants: list[str]
    values: list[Annotated[list[float | None], Field(min_length=2, max_length=2)]]


class _Judged(_Part):
    verdict: Verdict


class _Source(_Shape):
    figure: str
    tag: str


class _Claim(_Shape):
    id: str
    experiment: str
    statement: str
    source: _Source
    kind: str
    ours: bool
    quantifier: str
    verdict: Verdict
    reason: str
    needed: str
    n: int
    n_planned: int | None
    estimate: Number
    low: Number
    high: Number
    published: str
    band: _Band | None
    margin: Number
    parts_judged: int
    parts_total: int
    parts_text: str
    settled_by: str
    binding: int | None
    parts: list[_Judged] = Field(min_length=1)
    observations: list[_Part]
    note: str


class _Comparison(_Shape):
    id: str
    experiment: str
    variant: str
    other: str
    metric: str
    window: str
    better: str
    units: str
    verdict: str
    estimate: Number
    low: Number
    high: Number
    p_holm: Number
    n: int


def wrong(kind: Literal["claims", "comparisons"], entry: Any) -> str:
    """Why a claim or a comparison cannot be shown, in words; empty where it can."""
    try:
        found = {"claims": _Claim, "comparisons": _Comparison}[kind].model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    if isinstance(found, _Claim):
        if found.binding is not None and not 0 <= found.binding < len(found.parts):
            return f"binding: {found.binding} is none of its {len(found.parts)} parts"
        if found.estimate is not None and found.binding is None:
            return "binding: no part has its number"
    return ""

"""Every claim is judged just inside and just outside its band, and the bands are the pinned ones.

`bands.csv` says what each part of each claim measures, between which numbers it must lie (an empty cell: no edge on
that side), and whether all or most parts are needed; `windows.csv` says which stretch of the stream a window is. Both
were read against the claims S1 ..., M1 ... and I1 ... of the specification, line by line. A claim is changed on
purpose by changing its line there, by hand and in the same commit; the failed test prints the line as it would be.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import layout
import made
import numpy as np
import pytest

from perennial.claims import judging
from perennial.claims.expression import SETTING, is_number, operation, terms
from perennial.claims.statement import Claim, Part, Window
from perennial.claims.verdict import CONTRADICTED, INCONCLUSIVE, REPRODUCED

HERE = Path(__file__).parent
SEEDS = 5
QUANTILE = 2.7764451052  # Student's t, 4 degrees of freedom, two-sided 95 percent
SHAPE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
SHAPE *= math.sqrt(SEEDS) / (QUANTILE * SHAPE.std(ddof=1))  # half width of its interval: 1
VERDICTS = (REPRODUCED, INCONCLUSIVE, INCONCLUSIVE, CONTRADICTED)


def table(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


BANDS = table("bands.csv")
CLAIMS = sorted({(row["experiment"], row["claim"]) for row in BANDS})


def test_the_bands_are_the_pinned_ones():
    found = [
        {"experiment": experiment, "claim": claim.id, "needs": claim.quantifier, **_described(part)}
        for experiment, known in layout.claims().items()
        for claim in known.claims
        for part in claim.parts
    ]
    _compare(found, BANDS, "bands.csv")


def test_the_windows_are_the_pinned_ones():
    found = [
        {"experiment": experiment, "window": name, "stretch": _stretch(window)}
        for experiment, known in layout.claims().items()
        for name, window in known.windows.items()
    ]
    _compare(found, table("windows.csv"), "windows.csv")


@pytest.mark.parametrize(("experiment", "name"), CLAIMS)
def test_a_claim_is_judged_by_the_edges_of_its_band(experiment, name):
    """At each closed edge: the 95 % interval just inside, twice across, just outside."""
    claim = next(known for known in layout.claims()[experiment].claims if known.id == name)
    rows = [row for row in BANDS if (row["experiment"], row["claim"]) == (experiment, name)]
    assert [row["part"] for row in rows] == [part.label for part in claim.parts]
    for row, part in zip(rows, claim.parts, strict=True):
        low, high = (float(row[side] or open_end) for side, open_end in (("low", "-inf"), ("high", "inf")))
        size = high - low if math.isfinite(high - low) else abs(low if math.isfinite(low) else high) or 1.0
        fixed = all(
            window == SETTING for _, _, window in terms(part.statistic, layout.claims()[experiment].metric)
        )
        for edge, inward in ((low, size), (high, -size)):
            for steps, verdict in zip((3, 1, -1, -3), VERDICTS, strict=True):
                if math.isinf(edge) or (fixed and abs(steps) == 1):
                    continue  # no edge; a recorded setting is a number without an interval
                # The interval reaches 2/1000 of the band's size either way: it ends or begins 1/1000 from the edge.
                values = edge + steps / 1000 * inward + (0.0 if fixed else 2 / 1000) * size * SHAPE
                found = _judged(experiment, claim, part, values)
                assert found["estimate"] == pytest.approx(values.mean()), part.label
                assert found["verdict"] == verdict, f"{part.label}: {values.mean():.6g}, at the edge {edge}"


def _judged(experiment: str, claim: Claim, part: Part, values: np.ndarray) -> dict:
    """The claim as it is judged, had it this part alone; `values` of shape [seed]."""
    claims = layout.claims()[experiment]
    alone = claim.model_copy(update={"parts": (part,), "observations": ()})
    results = made.results(part.statistic, claims, values)
    return judging.verdicts(claims.model_copy(update={"claims": (alone,)}), results)["claims"][0]


def _compare(found: list[dict[str, str]], pinned: list[dict[str, str]], name: str) -> None:
    """Equal rows, in any order, each once."""
    lines, wanted = _lines(found), _lines(pinned)
    assert len(set(lines)) == len(lines), "a line stands there twice"
    new, gone = [line for line in lines if line not in wanted], [line for line in wanted if line not in lines]
    assert not new and not gone, (
        f"in the claims, not in {name}:\n{''.join(new)}\nin {name} only:\n{''.join(gone)}"
    )


def _lines(rows: list[dict[str, str]]) -> list[str]:
    lines = []
    for row in rows:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(row.values())
        lines.append(out.getvalue())
    return lines


def _described(part: Part) -> dict[str, str]:
    assert part.band is not None
    low, high = (f"{edge:.9g}" if math.isfinite(edge) else "" for edge in part.band.limits)
    return {"part": part.label, "statistic": _text(part.statistic), "low": low, "high": high}


def _text(statistic) -> str:
    """A statistic on one line: `A - B`, `A / B`, `spread(A, B, C)`."""
    if isinstance(statistic, str):
        return " ".join(statistic.split())
    if is_number(statistic):
        return f"{statistic:g}"
    name, operands = operation(statistic)
    words = [_text(operand) for operand in operands]
    if name == "spread":
        return f"spread({', '.join(words)})"
    simple = [not isinstance(operand, dict) or "spread" in operand for operand in operands]
    words = [word if plain else f"({word})" for word, plain in zip(words, simple, strict=True)]
    return {"difference": " - ", "ratio": " / "}[name].join(words)


def _stretch(window: Window) -> str:
    if window.points is not None:
        return f"points {window.points[0]} to {window.points[1]}"
    if window.last is not None:
        return f"last {window.last} points"
    if window.extremum is not None:
        less = f" of the curve less {window.relative_to}" if window.relative_to else ""
        return f"{window.width} points around the {window.extremum}{less}, placed by: {window.place}"
    return f"{window.start:.9g} to before {window.stop:.9g}"

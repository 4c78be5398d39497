"""The grammar of claims: the shipped ones are well formed, a mistake in one ends in one line."""

from __future__ import annotations

import numpy as np
import pytest
import the_studies

from perennial.claims import statement
from perennial.claims.statement import ClaimError

REGRESSION, DIGITS = "slowly_changing_regression", "permuted_digits"
MNIST = ("permuted_mnist", "permuted_mnist_width", "permuted_mnist_rate")
EXPERIMENTS = (REGRESSION, f"{REGRESSION}_redraw", f"{REGRESSION}_ablation", DIGITS, *MNIST)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_claims_are_well_formed(experiment):
    claims = the_studies.claims(experiment)
    assert claims.experiment == experiment and claims.claims
    for claim in claims.claims:
        for part in claim.parts:
            low, high = part.band.limits
            assert low < high and (np.isfinite(low) or np.isfinite(high))


def test_no_two_claims_share_an_id():
    ids = [claim.id for experiment in EXPERIMENTS for claim in the_studies.claims(experiment).claims]
    expected = {f"S{i}" for i in range(1, 13)} | {f"D{i}" for i in range(1, 10)}
    assert len(ids) == len(set(ids)) and expected | {f"M{i}" for i in range(1, 27)} <= set(ids)


GOOD = """
experiment: e
title: t
headline: {metric: m, window: end, better: lower}
windows: {end: {last: 2, text: end}}
claims:
  - id: X1
    statement: s
    source: {figure: f, tag: t}
    kind: ordinal
    parts:
      - {label: a, statistic: v @ end, band: {at_least: 0, why: w}}
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("v @ end", "v @ ned", "no window 'ned'"),
        ("v @ end", "v end", "is not of the form"),
        ("last: 2", "points: [3, 2]", "the first and the last, counted from 1"),
        ("statistic: v @ end", "statistic: {sum: [v @ end]}", "difference, ratio, spread"),
        ("at_least: 0, ", "", "at_least or at_most"),
        ("kind: ordinal", "kind: ordnal", "claims.0.kind"),
        ("last: 2, ", "", "from and to, points, last"),
        ("band: {at_least: 0, why: w}", "published: 1", "has no band"),
        ("title: t", "titel: t", "title"),
        ("windows: {end", "windows: {end: {end", "not YAML"),
    ],
)
def test_mistakes_in_claims_end_in_one_line(tmp_path, old, new, words):
    path = tmp_path / "claims_e.yaml"
    path.write_text(GOOD)
    assert len(statement.load("e", path).claims) == 1
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ClaimError, match=words) as caught:
        statement.load("e", path)
    assert "claims_e.yaml" in str(caught.value) and "\n" not in str(caught.value)


def bands(experiment, claim):
    found = next(found for found in the_studies.claims(experiment).claims if found.id == claim)
    return {part.label: part.band.limits for part in found.parts}


def test_bands_by_hand():
    assert bands(REGRESSION, "S1") == {"mean over the stream": pytest.approx((0.806, 0.846))}
    assert bands(REGRESSION, "S3")["first bin"] == pytest.approx((0.56, 0.66))
    assert bands(REGRESSION, "S3")["last 0.4 M"] == (1.14, np.inf)
    assert bands(REGRESSION, "S6")["end"] == pytest.approx((1.09 - 0.1, 1.09 + 0.1))  # 3 x 0.03 + 0.01
    assert bands(DIGITS, "D1") == {"end against best": (-np.inf, -15)}


def test_each_makes_every_combination():
    labels = list(bands(REGRESSION, "S2"))
    assert len(labels) == len(set(labels)) == 18 and "leaky_relu at 0.001" in labels
    assert len(bands(REGRESSION, "S8")) == 18

"""The report: one self-contained file of what is finished, whatever state the results are in."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import synthetic_results as made
import the_studies

from perennial import figures, report
from perennial.claims import judging, records
from perennial.files import store
from perennial.report import gather, marks, numbers, page, series, switches

REGRESSION, DIGITS = made.REGRESSION, made.DIGITS


def finish(study) -> Path:
    """Judge the claims and build the report."""
    for experiment in study.experiments():
        files = {p.stem: p for p in (study.folder / "metrics" / experiment).glob("*.h5")}
        stem = study.folder / "claims" / experiment
        judging.judge(
            the_studies.claims(experiment), files, stem.with_suffix(".csv"), stem.with_suffix(".json")
        )
    report.build(study, study.folder / "report.html", study.folder / "claims.csv")
    return study.folder / "report.html"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    found = made.make(tmp_path_factory.mktemp("report") / "results", full=False, seeds=3, tasks=20)
    finish(found)
    return found


@pytest.fixture
def text(study):
    return (study.folder / "report.html").read_text()


def data_of(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="curves">(.*?)</script>', text, re.S)[1])


def test_verdicts_come_first_and_completely(study, text):
    judged = records.read(study.folder / "claims")
    rows = re.findall(r'<tr role="row" class="claim [^"]*" id="claim-([^"]+)"', text)
    assert len(judged) > 10 and sorted(rows) == sorted(c["id"] for c in judged)
    assert judged[0]["experiment"] == DIGITS  # alphabetical on disk,
    assert rows[0].startswith("S")  # but shown in the order of the study
    assert text.index('id="verdicts"') < text.index('id="figures"') < text.index('id="seeds"')


def test_the_ledger_is_written_beside_it(study):
    rows = list(csv.DictReader((study.folder / "claims.csv").open()))
    assert list(rows[0]) == list(records.COLUMNS)
    assert len(rows) == len(records.read(study.folder / "claims"))


def test_nothing_is_asked_from_outside(text):
    assert not re.findall(r'(?:src|href|action)\s*=\s*"(?!#|data:)[^"]*"', text)
    assert "@import" not in text and "fetch(" not in text and "XMLHttpRequest" not in text
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_equal_results_give_equal_bytes_and_nothing_else_is_touched(study, text):
    def tree():
        return {p: p.stat().st_mtime_ns for p in study.folder.rglob("*") if p.is_file()}

    before = tree()
    report.build(study, study.folder / "report.html", study.folder / "claims.csv")
    changed = {p.name for p, when in tree().items() if before.get(p) != when}
    assert changed <= {"report.html", "claims.csv"}
    assert (study.folder / "report.html").read_text() == text


def test_says_how_many_seeds_are_finished(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    study.counts[REGRESSION] = 5
    (study.folder / "metrics" / REGRESSION / "relu_0.01.h5").unlink()
    text = finish(study).read_text()
    assert "2 of 5 seeds" in text and "0 of 5 seeds" in text and "2 of 2 seeds" in text


def test_builds_from_nothing(tmp_path):
    study = made.Study(tmp_path, table={REGRESSION: made.regression_variants(False)}, counts={REGRESSION: 4})
    study.figure_names = {"ed_fig_2b": REGRESSION}
    report.build(study, study.folder / "report.html", study.folder / "claims.csv")
    text = (study.folder / "report.html").read_text()
    for remark in (
        "No claim has been judged",
        "Not drawn yet",
        "Nothing is finished yet",
        "Nothing has been trained",
    ):
        assert remark in text


def test_a_bad_metrics_file_is_a_remark(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    bad = study.folder / "metrics" / DIGITS / "cbp.h5"
    bad.write_bytes(bad.read_bytes()[:-7])
    found = gather.gather(study)
    assert [r for r in found["remarks"] if r.startswith("permuted_digits/cbp: ") and "truncated" in r]
    assert "cbp" not in found["curves"]["experiments"][DIGITS]["variants"]


def test_results_of_a_variant_no_longer_asked_for_are_kept(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    del study.table[DIGITS]["l2"]
    found = gather.gather(study)
    assert any(
        v.name == "l2" and v.settings["algorithm"]["name"] == "l2" for v in found["experiments"][DIGITS]
    )
    assert any("permuted_digits/l2: finished, but not part" in r for r in found["remarks"])


def test_mixed_engines_are_flagged(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    with store.open_checked(path) as file:
        attributes = dict(file.attrs)
    attributes["trained"] = json.dumps(made.TRAINED | {"engine": ["fused", "stacked"]})
    store.write(path, lambda file: file.attrs.update(attributes))
    found = gather.gather(study)
    assert [group["labels"] for group in found["mixed"]] == [[f"{DIGITS}/cbp"]]
    assert "mixes" in page.html(found) and "fused, stacked" in page.html(found)


def test_a_metrics_file_of_an_older_version_is_shown(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    with store.open_checked(path) as file:
        old = {k: v for k, v in file.attrs.items() if k not in ("trained", "inputs", "versions", "code")}
    store.write(path, lambda file: file.attrs.update(old))
    found = gather.gather(study)
    assert not found["remarks"] and not found["mixed"] and "cbp" in page.html(found)


def test_cost_sums_over_variants(study):
    cost = gather.gather(study)["costs"][DIGITS]
    assert cost["variants"] == 5 and cost["runs"] == 15
    assert cost["wall_seconds"] == pytest.approx(5 * 61.5)
    assert cost["peak_memory_bytes"] == 234_000_000


def test_words_from_outside_cannot_become_markup(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    study.experiment = lambda name: type("E", (), {"title": "</script><b>x", "description": "<i>y"})()
    text = page.html(gather.gather(study))
    assert "<b>x" not in text and "<i>y" not in text
    assert data_of(text)["experiments"][DIGITS]["title"] == "</script><b>x"


def test_figures_follow_the_page_and_their_ids_are_their_own(tmp_path):
    study = made.make(tmp_path, full=False, seeds=2, tasks=20)
    for name in ("permuted_digits", "slowly_changing_regression_methods"):
        module = the_studies.figure(name)
        target = study.folder / "figures" / f"{name}.svg"
        metrics = made.figure_metrics(study, module.needs(study))
        figures.render(name, module, metrics, target, target.with_suffix(".png"))
    text = page.html(gather.gather(study))
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids)), {i for i in ids if ids.count(i) > 1}
    assert "var(--figure-ink" in text and text.count('role="img"') >= 3
    for target in re.findall(r'(?:xlink:href|href)="#([^"]+)"', text):
        assert target in ids, target


def test_curves_survive_packing():
    random = np.random.default_rng(0)
    values = random.normal(3, 10, (4, 50))
    values[1, 3], values[2, 7] = np.nan, np.inf
    back = series.unpack(series.pack(values))
    finite = np.isfinite(values)
    span = values[finite].max() - values[finite].min()
    assert np.abs(back[finite] - values[finite]).max() <= span / 65534
    assert np.isnan(back[~finite]).all()
    np.testing.assert_array_equal(series.unpack(series.pack(np.full((2, 3), 0.25))), np.full((2, 3), 0.25))
    assert np.isnan(series.unpack(series.pack(np.full((2, 3), np.nan)))).all()


def test_thinning_keeps_means():
    x, values = series.thin(np.arange(10), np.arange(20.0).reshape(2, 10), 4)
    np.testing.assert_array_equal(x, [1, 4, 7, 9])
    np.testing.assert_array_equal(values, [[1, 4, 7, 9], [11, 14, 17, 19]])


def test_embedded_curves_are_those_of_the_files(study, text):
    entry = data_of(text)["experiments"][DIGITS]
    assert set(entry["measures"]) >= {"online_accuracy", "dead_units", "dead_units/0", "dead_units/2"}
    with store.open_checked(study.folder / "metrics" / DIGITS / "cbp.h5") as file:
        expected = file["online_accuracy/values"][:]
        dead = file["dead_units/values"][:]
    data = entry["variants"]["cbp"]["data"]
    np.testing.assert_allclose(series.unpack(data["online_accuracy"]), expected, atol=1e-3)
    np.testing.assert_allclose(series.unpack(data["dead_units"]), dead.mean(2), atol=1e-3)
    np.testing.assert_allclose(series.unpack(data["dead_units/1"]), dead[:, :, 1], atol=1e-3)
    assert data["online_accuracy"]["x"] == {"start": 1.0, "step": 1.0}


def test_a_laptop_study_stays_small_and_a_huge_one_is_thinned(tmp_path):
    study = made.make(tmp_path, full=True, seeds=30, tasks=1000)
    text = page.html(gather.gather(study))
    assert len(text) < 4_000_000
    found = data_of(text)
    assert found["points"] is None and found["seeds_shown"] is None  # nothing left out
    paths = {(DIGITS, v): study.folder / "metrics" / DIGITS / f"{v}.h5" for v in study.variants(DIGITS)}
    files = {pair: store.open_checked(path) for pair, path in paths.items()}
    small = series.curves(files, budget=60_000)
    for file in files.values():
        file.close()
    assert small["points"] == series.FEWEST_POINTS and small["seeds_shown"] < 10
    assert len(json.dumps(small)) < 110_000


def test_published_curves_travel_with_ours(text):
    entry = data_of(text)["experiments"][REGRESSION]
    assert set(entry["printed"]) == {"linear_0.003", "relu_0.01"}
    curve = entry["printed"]["relu_0.01"]
    assert curve["mean"].count(None) > 5 and curve["above"] and curve["end"] == 1.2
    assert all(curve["mean"][k] is None for k in curve["above"])


@pytest.mark.parametrize(
    ("value", "spread", "expected"),
    [(1.2345, 0.05, "1.234"), (-15.7, 0.14, "−15.70"), (1234.5, 30, "1\u202f234"), (None, None, "–"),
     (float("nan"), 1, "–"), (0.02, None, "0.02"), (0.5, 0, "0.5")],
)  # fmt: skip
def test_numbers_have_the_decimals_they_deserve(value, spread, expected):
    assert numbers.number(value, spread) == expected


def test_words_for_time_memory_and_bands():
    assert [numbers.seconds(s) for s in (0, 48, 720, 12240, 900000)] == [
        "0 s",
        "48 s",
        "12 min",
        "3.4 h",
        "10.4 days",
    ]
    assert [numbers.memory(b) for b in (0, 234e6, 1.2e9)] == ["–", "234 MB", "1.2 GB"]
    assert numbers.count(2.43e9) == "2.43 billion" and numbers.count(8100) == "8\u202f100"
    assert numbers.band({"low": 1.14, "high": None}) == "above 1.14"
    assert numbers.band({"low": None, "high": -0.02}) == "below −0.02"
    assert numbers.band({"low": 0.56, "high": 0.66}) == "0.560 to 0.660" and numbers.band(None) == ""
    assert numbers.minus(">= -1.5 (re-read)") == "≥ −1.5 (re-read)"


def test_every_verdict_has_a_sign_of_its_own():
    verdicts = ("reproduced", "contradicted", "inconclusive", "not run")
    assert len({str(marks.symbol(v)) for v in verdicts}) == 4
    css = (page.FOLDER / "style.css").read_text()
    assert all(f".{marks.slug(v)}" in css for v in (*verdicts, "better", "worse", "no difference shown"))


def test_whiskers_stay_inside_their_picture():
    part = {"estimate": 1.2, "low": 1.1, "high": 1.3, "band": {"low": 1.0, "high": None}, "margin": None,
            "values": [[0, 0.9], [1, 1.5]]}  # fmt: skip
    svg = str(marks.whisker(part, dots=True))
    for x in map(float, re.findall(r'(?:cx="|M|x=")(-?[\d.]+)', svg)):
        assert 0 <= x <= marks.WIDTH
    assert svg.count('class="seed"') == 2
    assert not marks.whisker({"estimate": None})


def test_switches_are_listed_once_with_paper_and_code(text):
    table = switches.table()
    assert len(table) >= 8 and len({(s.owner, s.key) for s in table}) == len(table)
    for switch in table:
        assert switch.paper and switch.code and switch.description
        assert f"<code>{switch.key}</code> <small>{switch.owner}, default" in text


def test_the_switch_page_of_the_docs_is_current():
    committed = Path(__file__).parents[2] / "docs" / "switches.md"
    assert committed.read_text() == switches.markdown(), (
        "run: python -m perennial.report.switches docs/switches.md"
    )


def test_values_in_use_are_found():
    switch = next(s for s in switches.table() if s.owner == "algorithms.cbp" and s.key == "utility")
    settings = {
        "a/b": {"algorithm": {"name": "cbp", "utility": "weight"}},
        "a/c": {"algorithm": {"name": "l2"}},
    }
    assert switches.used(switch, settings) == {"weight": ["a/b"]}


def printed(experiment: str, *variants: str) -> dict:
    """Published curves under ours, which are counted in tasks (of the regression: in examples)."""
    claims = the_studies.claims(experiment)
    axis = "example" if experiment == REGRESSION else "task"
    measures = {claims.headline.metric: {"axis": axis}}
    return series.printed(claims, {"measures": measures, "variants": dict.fromkeys(variants)})


def test_published_curves_of_permuted_mnist_lie_under_ours():
    found = printed("permuted_mnist_width", "width_100", "width_1000", "width_10000")
    assert set(found) == {"width_100", "width_1000", "width_10000"}
    assert found["width_100"]["measure"] == "online_accuracy"
    assert found["width_100"]["mean"][:2] == [92.086, 93.324]
    assert found["width_100"]["x"] == {"start": 1.0, "step": 1.0}
    steps = printed("permuted_mnist", "backprop_0.01", "cbp_1e-6", "cbp_1e-4", "adam_5e-5", "adam_1e-4")
    assert set(steps) == {"backprop_0.01", "cbp_1e-6", "cbp_1e-4", "adam_5e-5"}
    assert steps["backprop_0.01"]["x"][18:22] == [19, 20, 30, 40]
    assert printed("permuted_mnist_rate", "every_1m") == {} == printed("permuted_digits", "backprop", "cbp")


def test_published_curves_of_continual_imagenet_lie_under_ours():
    shown = ("backprop_0.01", "backprop_1e-4", "linear", "cbp_0.01_3e-4", "l2_0.03_3e-6")
    found = printed("continual_imagenet", *shown, "l2_0.1_3e-6")
    assert set(found) == set(shown)
    assert found["cbp_0.01_3e-4"]["x"] == {"start": 25.5, "step": 50.0} and found["linear"]["mean"][0] == 77.1
    assert set(printed(REGRESSION, "linear_0.003", "linear_0.01")) == {"linear_0.003"}
    first = printed("continual_imagenet_first_tasks", "backprop_0.01")
    assert first["backprop_0.01"]["mean"][:2] == [89.42, 85.97]


def test_epochs_are_averaged_and_not_shown_one_by_one(tmp_path):
    values = np.arange(2 * 3 * 250.0).reshape(2, 3, 250)
    axes = {"task": np.array([1, 51, 101]), "epoch": np.arange(1, 251)}
    arrays = {"test_accuracy_by_epoch": (values, axes, "percent")}
    made.write_metrics(
        tmp_path / "v.h5", "e", "v", made.settings("p", [], "relu", "backprop", 101), 2, arrays
    )
    with store.open_checked(tmp_path / "v.h5") as file:
        found = series.curves({("e", "v"): file})["experiments"]["e"]
    assert list(found["measures"]) == ["test_accuracy_by_epoch"]
    assert "mean of epochs" in found["measures"]["test_accuracy_by_epoch"]["label"]
    shown = series.unpack(found["variants"]["v"]["data"]["test_accuracy_by_epoch"])
    np.testing.assert_allclose(shown, values.mean(2), atol=0.05)

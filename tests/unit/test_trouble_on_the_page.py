"""Bad files under the page: each becomes a remark, nothing runs in the reader's browser, and the page stays small."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import synthetic_results as made
import the_studies

from perennial import figures, report
from perennial.claims import judging, records
from perennial.files import store
from perennial.report import gather, numbers, page, series, shapes, svg

DIGITS = made.DIGITS
HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Results of two experiments with their verdicts and a figure."""
    study = made.make(tmp_path_factory.mktemp("page") / "results", full=False, seeds=2, tasks=20)
    for experiment in study.experiments():
        files = {p.stem: p for p in (study.folder / "metrics" / experiment).glob("*.h5")}
        stem = study.folder / "claims" / experiment
        judging.judge(
            the_studies.claims(experiment), files, stem.with_suffix(".csv"), stem.with_suffix(".json")
        )
    module, target = the_studies.figure(DIGITS), study.folder / "figures" / f"{DIGITS}.svg"
    figures.render(
        DIGITS, module, made.figure_metrics(study, module.needs(study)), target, target.with_suffix(".png")
    )
    return study


@pytest.fixture
def study(whole, tmp_path):
    """A copy to spoil."""
    shutil.copytree(whole.results, tmp_path / "results")
    return made.Study(tmp_path / "results", whole.scale, whole.table, whole.counts, whole.figure_names)


def built(study) -> str:
    report.build(study, study.folder / "report.html", study.folder / "claims.csv")
    return (study.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n\xff\xfe", b"<html></html>", b"<svg", b"<svg/>", None], ids=str
)
def test_a_picture_that_is_none_is_a_remark(study, content):
    path = study.folder / "figures" / f"{DIGITS}.svg"
    path.unlink()
    path.mkdir() if content is None else path.write_bytes(content)
    text = built(study)
    assert f"<li>figures/{path.name}: left out: it " in text and "Not drawn yet" in text


def test_a_stray_picture_is_left_out_and_named(study):
    (study.folder / "figures" / "stray.svg").write_text(HEAD + "<path d='M0 0'/></svg>", encoding="utf-8")
    text = built(study)
    assert (
        "<li>figures/stray.svg: left out, as no figure of this study</li>" in text
        and 'id="figure-stray"' not in text
    )


def test_a_picture_that_grew_out_of_all_bounds_is_left_out(study):
    path = study.folder / "figures" / f"{DIGITS}.svg"
    with open(path, "ab") as file:
        file.truncate(5 << 20)
    assert "is larger than 2 MiB" in built(study)


def test_nothing_runs_and_nothing_is_fetched(study):
    own = study.folder / "figures" / f"{DIGITS}.svg"
    bad = (
        '<script>alert(1)</script><a xlink:href="http://x/"><path d="M1 1"/></a><path onclick="alert(2)" d="M2 2"/>'
        '<foreignObject><iframe src="http://y/"/></foreignObject><use xlink:href="http://z/#a"/><use href="#inside"/>'
        '<style>@import "http://v/";</style><path style="fill:url(http://q/)" clip-path="url(#c)" d="M3 3"/>'
        '<g><animate attributeName="href" to="javascript:alert(3)"/></g><image href="data:text/html,x"/>'
    )
    own.write_text(own.read_text(encoding="utf-8").replace("</svg>", f"{bad}</svg>"), encoding="utf-8")
    text = built(study)
    for sign in (
        "alert(",
        "onclick",
        "iframe",
        "http://x",
        "http://z",
        "http://v",
        "http://q",
        "animate",
        "data:text",
    ):
        assert sign not in text, sign
    assert "M2 2" in text and "M3 3" in text and f'href="#{DIGITS}-inside"' in text


def test_a_clean_picture_is_the_same_picture(whole):
    text = (whole.folder / "figures" / f"{DIGITS}.svg").read_text(encoding="utf-8")
    found = svg.clean(text)
    assert found.count("<path") == text.count("<path") and found.count("<use") == text.count("<use")
    assert found.startswith("<svg") and "xlink:href" in found and "ns0:" not in found


def spoilt(file, key: str) -> None:
    """Take an attribute of the root away, or a part of a metric, or make it something else."""
    name, _, value = key.partition("=")
    if value:
        file.attrs[name] = json.loads(value)
    elif name in file.attrs:
        del file.attrs[name]
    else:
        del file[name]


@pytest.mark.parametrize(
    "key",
    ["seeds", "settings", "run_steps", 'seeds="none"', 'settings="{"', 'trained="[]"', 'diverged="7"', 'inputs="[1]"',
     "online_accuracy/task", "online_accuracy/values", 'wall_seconds="x"'],
)  # fmt: skip
def test_metrics_that_lack_something_are_a_remark(study, key):
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    rewrite(path, lambda file: spoilt(file, key))
    text = built(study)
    kept = key == "online_accuracy/values"  # one measure less is no harm
    assert kept or f"{DIGITS}/cbp: metrics file left out" in text
    assert f"{DIGITS}/backprop" not in text.split("Worth knowing")[-1].split("</aside>")[0]


def rewrite(path, change) -> None:
    """Write a file again, with a change and a good seal."""
    with store.open_checked(path) as before:

        def fill(file):
            for key in before:
                before.copy(key, file)
            file.attrs.update(dict(before.attrs))
            change(file)

        store.write(path, fill)


@pytest.mark.parametrize("value", [1e308, -1e308, np.inf, np.nan, 5e-324])
def test_numbers_of_any_size_are_shown(study, value):
    path = study.folder / "metrics" / DIGITS / "cbp.h5"

    def change(file):
        values = file["online_accuracy/values"][...].astype(np.float64)
        values[0, 3:9], values[1, 3:9] = value, -value
        del file["online_accuracy/values"]
        file["online_accuracy/values"] = values

    rewrite(path, change)
    text = built(study)
    packed = json.loads(text.partition('id="curves">')[2].partition("</script>")[0])
    shown = series.unpack(packed["experiments"][DIGITS]["variants"]["cbp"]["data"]["online_accuracy"])
    assert len(shown) == 2 and "cbp: metrics" not in text
    assert len(numbers.number(1e308, 1.0)) < 20 and numbers.interval(-1e308, 1e308)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["claims"].append({}), lambda found: found["claims"].append(7),
        lambda found: found["claims"][0].pop("parts"), lambda found: found["claims"][0].update(binding=99),
        lambda found: found["claims"][0].update(estimate="high"),
        lambda found: found["claims"][0].update(estimate=1e308),
        lambda found: found["claims"][0].update(verdict="sure"), lambda found: found["claims"][0].update(source=None),
        lambda found: found["claims"][0]["parts"][0].update(values=[[1], 2]),
        lambda found: found["claims"][0]["parts"][0].update(band={"low": "x"}),
        lambda found: found["comparisons"].append({"id": "x"}),
    ],
)  # fmt: skip
def test_an_odd_claim_is_a_remark_and_the_others_are_shown(study, change):
    path = study.folder / "claims" / f"{DIGITS}.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    text = built(study)
    assert f"<li>claims/{path.name}: c" in text and "is left out: " in text
    assert 'id="claim-S1"' in text and 'id="claim-D2"' in text


@pytest.mark.parametrize("name", ["permuted_digits.json", "permuted_digits.csv"])
@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"7", b'{"claims": 1}'],
    ids=lambda content: repr(content[:9]),
)
def test_a_file_of_verdicts_that_is_none_is_a_remark(study, name, content):
    (study.folder / "claims" / name).write_bytes(content)
    text = built(study)
    assert f"<li>claims/{name}: not a claims" in text and 'id="claim-S1"' in text
    assert (study.folder / "claims.csv").read_text(encoding="utf-8").startswith("id,experiment")


def test_what_is_judged_has_the_shape_that_the_page_shows(whole):
    found = records.files(whole.folder / "claims").values()
    assert not [
        shapes.wrong("claims", claim)
        for file in found
        for claim in file["claims"]
        if shapes.wrong("claims", claim)
    ]


def test_runs_that_diverged_are_told_on_the_page(study):
    path = study.folder / "metrics" / DIGITS / "cbp.h5"
    rewrite(path, lambda file: file.attrs.update(diverged=json.dumps({1: 120})))
    text = built(study)
    told = "1 of 2 runs diverged (loss or weights are no finite numbers): seed 1 from update 120"
    assert f"<li>{DIGITS}/cbp: {told}</li>" in text and '<span class="tag warn">1 diverged</span>' in text


def test_the_page_keeps_its_size_at_any_number_of_variants(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "DETAILED", 6)
    monkeypatch.setattr(gather, "FILES", 6)
    sizes = []
    for count in (6, 60):
        given = {
            f"v{k:03d}": made.settings(DIGITS, [9, 9, 9], "relu", "backprop", 20, step_size=k / 9)
            for k in range(count)
        }
        study = made.Study(tmp_path / str(count), table={DIGITS: given}, counts={DIGITS: 2})
        made.write_digits(study, 2, 20)
        text = page.html(gather.gather(study))
        sizes.append(len(text))
    assert "54 variants are left out" in text and "And 54 more, 54 of them with finished seeds" in text
    assert (sizes[1] - sizes[0]) / 54 < 200  # bytes: what the record needs to name a file and its checksum
    assert 'v059.h5"' in text  # there

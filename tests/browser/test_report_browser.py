"""The report in a real browser: it draws, reacts, fits a phone, and asks the network for nothing."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import chromium
import numpy as np
import pytest
import synthetic_results as made
import the_studies
from PIL import Image
from requirements import require_or_skip

from perennial import figures, report
from perennial.claims import judging, records
from perennial.files import lineage, provenance, store

SEEDS, TASKS = 4, 60


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small finished study with figures, claims and report."""
    found = made.make(tmp_path_factory.mktemp("browser") / "results", full=False, seeds=SEEDS, tasks=TASKS)
    name = "slowly_changing_regression_methods"
    pairs = the_studies.figure(name).needs(found)
    target = found.folder / "figures" / f"{name}.svg"
    figures.render(
        name, the_studies.figure(name), made.figure_metrics(found, pairs), target, target.with_suffix(".png")
    )
    for experiment in found.experiments():
        files = {v: found.folder / "metrics" / experiment / f"{v}.h5" for v in found.variants(experiment)}
        stem = found.folder / "claims" / experiment
        judging.judge(
            the_studies.claims(experiment), files, stem.with_suffix(".csv"), stem.with_suffix(".json")
        )
    report.build(found, found.folder / "report.html", found.folder / "claims.csv")
    return found


@pytest.fixture(scope="module")
def browser():
    executable = chromium.find()
    require_or_skip("browser", executable, "no chromium is installed (Debian: apt-get install chromium)")
    with chromium.Browser(executable) as found:
        yield found


@pytest.fixture
def page(study, browser):
    browser.open(study.folder / "report.html")
    yield browser
    assert browser.complaints() == []
    assert browser.requests() == []


def middle(browser, selector: str) -> tuple[float, float]:
    """Scroll an element into view; its middle, in window coordinates."""
    x, y = browser.run(
        f"(async () => {{ const e = document.querySelector({selector!r});"
        "e.scrollIntoView({behavior: 'instant', block: 'center'});"
        # Two frames: the scrolled page must be on the screen before a real mouse event is aimed at it.
        "for (const _ of [1, 2]) await new Promise(requestAnimationFrame);"
        "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
    )
    return x, y


def visible(browser, selector: str) -> bool:
    return browser.run(f"document.querySelector({selector!r}).getClientRects().length > 0")


def text(browser, selector: str) -> str:
    return browser.run(f"document.querySelector({selector!r}).innerText")


def brightness(png: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).mean())


def test_every_claim_has_a_row_with_its_verdict(page, study):
    for claim in records.read(study.folder / "claims"):
        assert text(page, f"#claim-{claim['id']} .verdict").strip() == claim["verdict"]
    assert page.run("document.title").startswith("Perennial")


def test_a_claim_opens_by_mouse_and_by_keyboard(page):
    assert not visible(page, "#detail-S1")
    page.click(*middle(page, "#claim-S1 .statement"))
    assert visible(page, "#detail-S1") and "Why" in text(page, "#detail-S1")
    page.run("document.querySelector('#claim-S3 .opener').focus()")
    page.key("Enter")
    assert visible(page, "#detail-S3")
    assert page.run("document.querySelector('#claim-S3 .opener').getAttribute('aria-expanded')") == "true"
    page.key("Enter")
    assert not visible(page, "#detail-S3")
    page.click(*middle(page, "#open-all"))
    assert page.run("[...document.querySelectorAll('.detail')].every((d) => d.getClientRects().length)")


def test_a_verdict_can_be_hidden(page):
    kind = page.run("document.querySelector('.chip').dataset.verdict")
    page.click(*middle(page, f".chip[data-verdict='{kind}']"))
    shown = (
        "[...document.querySelectorAll('tr.claim')].filter((r) => !r.hidden).map((r) => r.dataset.verdict)"
    )
    assert kind not in page.run(shown)
    page.click(*middle(page, f".chip[data-verdict='{kind}']"))
    assert kind in page.run(shown)


def test_settings_and_switches_unfold(page):
    for selector in (".variants details", "details.switch"):
        assert not page.run(f"document.querySelector('{selector}').open")
        page.click(*middle(page, f"{selector} summary"))
        assert page.run(f"document.querySelector('{selector}').open")
    assert '"algorithm"' in text(page, ".variants pre")


def test_the_origin_of_a_variant_unfolds(page, study):
    variant = "#provenance .variants details"
    assert not page.run(f"document.querySelector('{variant}').open")
    page.click(*middle(page, f"{variant} summary"))
    words = text(page, variant)
    run = f"runs/{made.REGRESSION}/linear_0.003/seeds_0-{SEEDS - 1}.h5 (sha256)"
    for expected in ("fused", "cpu", "0123abc", "numpy 2.4.6", "5eed" * 16, run):
        assert expected in words
    assert not page.run("document.querySelector('#provenance .tag.warn')")
    record = json.loads(page.run("document.querySelector('#record').textContent"))
    assert record == lineage.read(study.folder / "report.html")
    assert len(record["inputs"]) == 9 + 2 + 1  # metrics, claims, the figure
    name = f"metrics/{made.REGRESSION}/relu_0.01.h5"
    assert record["inputs"][name] == provenance.checksum_of(study.folder / name)


def test_runs_made_differently_are_flagged(study, browser, tmp_path):
    """Within a variant, and between the variants of a claim; a commit alone is told, but not among the remarks."""
    shutil.copytree(study.results, tmp_path / "results")
    mixed = replace(study, results=tmp_path / "results")
    new = {"cbp": {"engine": ["fused", "graphed"]}, "l2": {"git": ["0123abc", "4567def"]}}
    for variant, change in new.items():
        path = mixed.folder / "metrics" / made.DIGITS / f"{variant}.h5"
        with store.open_checked(path) as file:
            arrays, attributes = {k: file[k] for k in file}, dict(file.attrs)
            attributes["trained"] = json.dumps(made.TRAINED | change)

            def fill(target, arrays=arrays, attributes=attributes):
                target.attrs.update(attributes)
                for node in arrays.values():
                    target.copy(node, target)

            store.write(path, fill)
    report.build(mixed, mixed.folder / "report.html", mixed.folder / "claims.csv")
    browser.open(mixed.folder / "report.html")
    remarks = text(browser, ".remarks")
    assert f"{made.DIGITS}/cbp mixes engines fused, graphed" in remarks and "git states" not in remarks
    assert browser.run("document.querySelectorAll('#settings .tag.warn').length") == 1
    assert browser.run("document.querySelectorAll('#provenance .variants .tag.warn').length") == 2
    told = text(browser, ".differing")
    assert f"Seeds of {made.DIGITS}/cbp: engines fused, graphed" in told
    assert f"Seeds of {made.DIGITS}/l2: git states 0123abc, 4567def" in told
    assert "D5, D6, D7, D9 compare variants with different engines fused, graphed." in told
    assert "D3 compares variants with different engines fused, graphed; git states 0123abc, 4567def" in told
    assert "D2" not in told  # of one variant alone
    assert browser.complaints() == []


def test_every_seed_is_drawn_and_can_be_read_off(page, study):
    assert page.run("document.querySelectorAll('#plot .one.a').length") == SEEDS
    assert (
        page.run("document.querySelectorAll('#plot .printed').length") > 30
    )  # the published curve lies over it
    x, y = middle(page, "#plot")
    page.mouse("mouseMoved", x, y)
    words = text(page, "#readout")
    seed = int(words.split("seed ")[1].split()[0])
    example = int(words.split(":")[0].removeprefix("example ").replace(",", ""))
    with store.open_checked(study.folder / "metrics" / made.REGRESSION / "relu_0.01.h5") as file:
        value = file["squared_error/values"][seed, example // 40_000]
    assert float(words.split("relu_0.01 ")[1].split()[0]) == pytest.approx(value, abs=1e-3)
    page.click(x, y)
    assert page.run("document.querySelector('#pick-seed').value") == str(seed)
    assert page.run("document.querySelectorAll('#plot .held').length") == 1


def test_the_plot_works_from_the_keyboard(page):
    page.run("document.querySelector('#plot').focus()")
    page.key("ArrowRight")
    page.key("ArrowUp")
    assert text(page, "#readout").startswith("example 40,000: seed 0 of relu_0.01")
    page.key("ArrowUp")
    assert "seed 1 of" in text(page, "#readout")


def choose(browser, name: str, value: str) -> None:
    browser.run(
        f"(() => {{ const s = document.querySelector('#pick-{name}'); s.value = {value!r};"
        "s.dispatchEvent(new Event('change')); })()"
    )


def test_experiment_measure_and_variant_can_be_chosen(page):
    choose(page, "experiment", made.DIGITS)
    choose(page, "variant", "l2")
    choose(page, "other", "")
    choose(page, "measure", "dead_units/1")
    choose(page, "seed", "2")
    assert page.run("document.querySelectorAll('#plot .one').length") == SEEDS
    assert page.run("document.querySelectorAll('#plot .held').length") == 1
    label = page.run("document.querySelector('#plot').getAttribute('aria-label')")
    assert label.startswith("Dead units, layer 1 of l2")
    drawn = page.run("document.querySelector('#plot .one').getAttribute('d').split('L').length")
    assert drawn == TASKS


def test_light_and_dark_differ_and_the_button_chooses(study, browser):
    bright = {}
    for scheme in ("light", "dark"):
        browser.open(study.folder / "report.html", scheme=scheme)
        bright[scheme] = brightness(browser.picture())
    assert bright["light"] > 200 and bright["dark"] < 70
    browser.click(*middle(browser, "#theme"))  # auto -> light, on a machine that asks for dark
    assert text(browser, "#theme") == "Theme: light"
    assert brightness(browser.picture()) > 200
    browser.run("localStorage.clear()")
    assert browser.complaints() == [] and browser.requests() == []


def test_figures_take_the_colours_of_the_page(study, browser):
    ink = "document.querySelector('.picture [style*=\"fill: var(--figure-ink\"]')"
    found = set()
    for scheme in ("light", "dark"):
        browser.open(study.folder / "report.html", scheme=scheme)
        found.add(browser.run(f"getComputedStyle({ink}).fill"))
    assert len(found) == 2


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(study, browser, width):
    browser.open(study.folder / "report.html", width=width, height=740)
    browser.click(*middle(browser, "#open-all"))
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = browser.run(
        "[...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll, pre, svg, thead') &&"
        f"e.getClientRects().length && e.getBoundingClientRect().right > {width} + 1)"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_without_scripts_all_details_are_there(study, browser):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(study.folder / "report.html")
        assert visible(browser, "#detail-S1")
        assert not visible(browser, "#explorer")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_required_browser_is_not_skipped(monkeypatch):
    monkeypatch.setenv("PERENNIAL_REQUIRE", "slurm, browser")
    with pytest.raises(pytest.fail.Exception, match="asks for browser, but none here"):
        require_or_skip("browser", None, "none here")
    monkeypatch.setenv("PERENNIAL_REQUIRE", "slurm")
    with pytest.raises(pytest.skip.Exception, match="none here"):
        require_or_skip("browser", None, "none here")

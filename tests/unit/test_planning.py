"""Planning against files on disk: bad and stale ones, sequences, and the time a thousand blocks take."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
import the_studies

from perennial import config
from perennial.dag import blocks, planning, stage_code
from perennial.datasets import digits
from perennial.files import provenance, store

ROOT = Path(__file__).parents[2]
EXPERIMENT, VARIANT = "permuted_digits", "cbp"


@pytest.fixture
def study(tmp_path):
    source = the_studies.only(
        "laptop", {EXPERIMENT: {"seeds": 6, "length": 20, "variants": [VARIANT, "backprop"]}}
    )
    return config.load(source, results=str(tmp_path), block_size=4)


def finish(study, variant, block, settings=None, code=None, **more):
    """A run file as training writes it, as far as planning looks."""
    settings = settings or study.settings(EXPERIMENT, variant)
    path = study.folder / "runs" / EXPERIMENT / variant / blocks.file_name(block)
    attributes = {"settings": json.dumps(settings), "code": code or stage_code.train(settings), **more}
    store.write(path, lambda file: file.attrs.update(attributes))
    return path


def disk(**options):
    """A disk that is looked at, and the lists of what was made again and said."""
    again, said = [], []
    found = planning.Disk(look=True, make_again=again.append, say=said.append, **options)
    return found, again, said


def test_nothing_finished(study):
    planner = planning.Planner(study)
    assert planner.runs(EXPERIMENT, VARIANT) == [(0, 3), (4, 5)]
    assert planner.sequences(study.sequence(EXPERIMENT, VARIANT)) == [(0, 3), (4, 5)]


def test_sequences_follow_what_is_finished(study):
    finish(study, VARIANT, (0, 4))
    planner = planning.Planner(study)
    assert planner.runs(EXPERIMENT, VARIANT) == [(0, 4), (5, 5)]
    sequence = study.sequence(EXPERIMENT, VARIANT)
    folder = planner.sequence_folder(sequence)
    covered = {s for block in planner.sequences(sequence) for s in blocks.seeds_of(block)}
    assert covered == set(range(6))
    found = planner.sequences_of(EXPERIMENT, VARIANT, (4, 5))
    read = [blocks.NAME.fullmatch(path.name) for path in found]
    assert all(path.parent == folder for path in found)
    assert {4, 5} <= {s for m in read for s in blocks.seeds_of((int(m[1]), int(m[2])))}


def test_a_bad_file_is_set_aside_once(study):
    path = finish(study, VARIANT, (0, 5))
    path.write_bytes(path.read_bytes()[:-1])
    found, again, said = disk(rename=True)
    planner = planning.Planner(study, found)
    assert planner.runs(EXPERIMENT, VARIANT) == [(0, 3), (4, 5)]
    assert planner.runs(EXPERIMENT, VARIANT) == [(0, 3), (4, 5)]
    assert not path.exists() and len(said) == 1
    assert again == [path.with_name("seeds_0-3.h5"), path.with_name("seeds_4-5.h5")]


def test_a_dry_run_plans_a_bad_file_anew_but_leaves_it(study):
    path = finish(study, VARIANT, (0, 3))
    path.write_bytes(path.read_bytes()[:-1])
    found, again, said = disk()
    assert planning.Planner(study, found).runs(EXPERIMENT, VARIANT) == [(0, 3), (4, 5)]
    assert path.exists() and again == [path, path.with_name("seeds_4-5.h5")] and len(said) == 1


def test_a_cluster_job_looks_at_names_only(study):
    path = finish(study, VARIANT, (0, 5))
    path.write_bytes(b"")
    assert planning.Planner(study).runs(EXPERIMENT, VARIANT) == [(0, 5)]
    assert path.exists()


def test_every_file_is_asked_itself(study):
    good = finish(study, "backprop", (0, 5))
    other = study.settings(EXPERIMENT, VARIANT)
    other["algorithm"] = {**other["algorithm"], "replacement_rate": 0.5}
    stale = finish(study, VARIANT, (0, 5), settings=other)
    found, again, said = disk()
    planner = planning.Planner(study, found)
    assert planner.runs(EXPERIMENT, "backprop") == planner.runs(EXPERIMENT, VARIANT) == [(0, 5)]
    assert again == [stale] and planner.stays(good) and not planner.stays(stale)
    (line,) = said
    assert "algorithm.replacement_rate: 0.5 there, 0.0001 wanted" in line and str(good) not in line


@pytest.mark.parametrize("rename", [True, False])
def test_a_date_in_the_future_is_set_back_in_a_real_run_only(study, rename):
    path = finish(study, VARIANT, (0, 5))
    ahead = time.time() + 3600
    os.utime(path, (ahead, ahead))
    found, again, said = disk(rename=rename)
    planner = planning.Planner(study, found)
    assert planner.run_files(EXPERIMENT, VARIANT) == [path] and planner.accept(path)
    assert (path.stat().st_mtime <= time.time()) == rename and not again and not said


def test_other_code_is_stale_too(study):
    path = finish(study, VARIANT, (0, 5), code="0123456789abcdef")
    found, again, _ = disk()
    planning.Planner(study, found).runs(EXPERIMENT, VARIANT)
    assert again == [path]


def summarise(study, variant, run):
    """A metrics file as its stage writes it, as far as planning looks."""
    path = study.folder / "metrics" / EXPERIMENT / f"{variant}.h5"
    inputs = provenance.checksums([run], path)
    record = provenance.record("metrics", study.settings(EXPERIMENT, variant), stage_code.metrics(), inputs)
    about = {"experiment": EXPERIMENT, "variant": variant, "seeds": study.seeds(EXPERIMENT, variant)}

    def fill(file):
        file.attrs.update(about)
        provenance.finish(file, record)

    store.write(path, fill)
    return path


@pytest.mark.parametrize("rename", [True, False])
def test_bad_metrics_are_made_again_too(study, rename):
    bad, good = (summarise(study, v, finish(study, v, (0, 5))) for v in (VARIANT, "backprop"))
    bad.write_bytes(bad.read_bytes()[:-1])
    found, again, said = disk(rename=rename)
    planner = planning.Planner(study, found)
    for variant in (VARIANT, VARIANT, "backprop"):
        assert planner.metrics(EXPERIMENT, variant) in (bad, good)
    assert again == [bad] and len(said) == 1 and bad.exists() != rename


def test_metrics_of_runs_that_are_missing_or_trained_again_are_made_again(study):
    runs = {v: finish(study, v, (0, 5)) for v in (VARIANT, "backprop")}
    metrics = {v: summarise(study, v, run) for v, run in runs.items()}
    runs[VARIANT].unlink()
    finish(study, "backprop", (0, 5), code="0123456789abcdef")
    found, again, said = disk()
    planner = planning.Planner(study, found)
    for variant, path in metrics.items():
        assert planner.metrics(EXPERIMENT, variant) == path and path in again
    assert len(said) == 1 and "by other code" in said[0]


@pytest.mark.parametrize("content", ["other", "damaged", "right"])
def test_other_data_are_set_aside(study, content):
    path = study.results / "data" / "digits.h5"
    checksum = "0" * 64 if content == "other" else stage_code.checksum("digits")
    store.write(path, lambda file: file.attrs.update(sha256=checksum))
    if content == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    found, again, said = disk(rename=True)
    assert planning.Planner(study, found).dataset("digits") == path
    assert path.exists() == (content == "right") and len(said) == (content != "right")
    assert not again  # training asks for it where it is needed


@pytest.mark.parametrize("trained_on", ["this", "other", "nothing known"])
def test_runs_on_data_of_the_user_s_own_are_compared_with_the_file(study, monkeypatch, trained_on):
    """Such data have no checksum in the code, so none in a job's params."""
    monkeypatch.setattr(digits, "SHA256", None)
    data = study.results / "data" / "digits.h5"
    store.write(data, lambda file: file.attrs.update(sha256="this"))
    path = finish(
        study, VARIANT, (0, 5), **({"data_sha256": trained_on} if trained_on != "nothing known" else {})
    )
    found, again, said = disk(rename=True)
    planner = planning.Planner(study, found)
    assert planner.runs(EXPERIMENT, VARIANT) == [(0, 5)]
    assert planner.dataset("digits") == data and data.exists()
    assert again == ([] if trained_on == "this" else [path])
    assert [line.split("; ")[1] for line in said] == ["its seeds will be trained again"] * len(again)


@pytest.mark.parametrize("there", ["no", "damaged"])
def test_without_the_user_s_data_finished_runs_stay(study, monkeypatch, there):
    monkeypatch.setattr(digits, "SHA256", None)
    if there == "damaged":
        path = study.results / "data" / "digits.h5"
        store.write(path, lambda file: file.attrs.update(sha256="this"))
        path.write_bytes(path.read_bytes()[:-1])
    finish(study, VARIANT, (0, 5))
    found, again, said = disk(rename=False)
    planning.Planner(study, found).runs(EXPERIMENT, VARIANT)
    assert not again and len(said) == (there == "damaged")


def test_a_thousand_blocks_are_planned_fast(study, tmp_path):
    size = 4
    source = the_studies.only("laptop", {EXPERIMENT: {"seeds": 1000 * size, "length": 20}})
    many = config.load(source, results=str(tmp_path), block_size=size)
    finish(many, VARIANT, (0, size - 1))
    folder = many.folder / "runs" / EXPERIMENT / VARIANT
    content = (folder / blocks.file_name((0, size - 1))).read_bytes()
    for first in range(size, 1000 * size, size):
        (folder / blocks.file_name((first, first + size - 1))).write_bytes(content)
    found, _, said = disk()
    start = time.perf_counter()
    plan = planning.Planner(many, found).runs(EXPERIMENT, VARIANT)
    assert len(plan) == 1000 and not said
    assert time.perf_counter() - start < 3

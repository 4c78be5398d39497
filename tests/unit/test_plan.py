"""The budget of a study: what is to be done, what it costs, and what is said where nothing was timed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import the_studies

from perennial import cli, config, datasets
from perennial.dag import blocks, stage_code
from perennial.estimate import budget, costs, gpu, kinds, recorded, rehearsal, table, timings, words
from perennial.estimate.jobs import NEW, Inventory
from perennial.estimate.memo import Memo
from perennial.estimate.overheads import Overheads
from perennial.estimate.rehearsal import Measured
from perennial.files import store

ROOT = Path(__file__).parents[2]
EXPERIMENT = "permuted_digits"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the study's config, timings of its own, and the compiled loops of all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("perennial.estimate.command.cache_folder", lambda: tmp_path / "cache")
    Path("config.yaml").write_text((ROOT / "config.yaml").read_text())
    Path("studies").symlink_to(ROOT / "studies")
    return tmp_path


@pytest.fixture
def study(tmp_path):
    source = the_studies.only(
        "laptop", {EXPERIMENT: {"seeds": 6, "length": 20, "variants": ["cbp", "backprop"]}}
    )
    return config.load(source, results=str(tmp_path), block_size=4)


def finish(study, variant, block, **attributes):
    """A run file as training writes it, as far as planning looks."""
    settings = study.settings(EXPERIMENT, variant)
    own = {"settings": json.dumps(settings), "code": stage_code.train(settings)}
    path = study.folder / "runs" / EXPERIMENT / variant / blocks.file_name(block)
    store.write(path, lambda file: file.attrs.update({**own, **attributes}))
    return path


def prepare(study):
    """The data and sequences that blocks read, as far as planning looks; without them all are trained again."""
    datasets.make("digits", study.results / "data" / "digits.h5")
    inventory = Inventory(study, [EXPERIMENT])
    for job in inventory.jobs():
        if job.stage == "sequences":
            store.write(job.path, lambda file: file.attrs.update(kind="sequences"))


def counts(jobs):
    """stage -> jobs to do and done."""
    found = {}
    for job in jobs:
        to_do, done = found.get(job.stage, (0, 0))
        found[job.stage] = (to_do + bool(job.reason), done + (not job.reason))
    return found


class Table(timings.Timings):
    """Timings that were not taken: every run-step costs a microsecond. `known` kinds only, if given."""

    def __init__(self, study, known=lambda kind: True):
        stages = dict.fromkeys(("dataset", "sequences", "train", "metrics", "figure", "claim", "report"), 1.0)
        self.study, self.overheads, self.known_kinds = study, Overheads(1.0, stages, 1000, 100, 0.001), known
        self.measured, self.why_not, self.starts = {}, {}, {"fused": (2.0, 200_000_000)}
        self.materials = timings.Materials(study)

    def size(self, settings):
        return self.materials.weights(settings), self.materials.steps(settings)

    def sequence(self, settings):
        return 0.001, 64.0

    def rehearse(self, work, settings):
        for kind in work:
            if self.known_kinds(kind):
                self.measured[kind] = Measured(1e-6, 0.0, 0.1, 110_840, 460_032, {"dead_units": 3})
            else:
                self.why_not[kind] = "no time was left"


def planned(study, cores=2, past=False, **options):
    return budget.Budget(study, Inventory(study, [EXPERIMENT]), Table(study, **options), cores, past)


def test_a_fresh_study_is_all_to_do(study):
    found = counts(Inventory(study, [EXPERIMENT]).jobs())
    one = {"figure": (1, 0), "claim": (1, 0), "report": (1, 0), "dataset": (1, 0)}
    assert found == {"sequences": (2, 0), "train": (4, 0), "metrics": (2, 0), **one}


def test_finished_blocks_are_not_counted_again(study):
    finish(study, "cbp", (0, 3))
    prepare(study)
    row = planned(study).row(EXPERIMENT, [EXPERIMENT])
    assert row.count("train") == (3, 1)
    each = 1797 * 20
    assert (row.steps, row.steps_done) == (8 * each, 4 * each)
    assert row.cpu == pytest.approx(8 * each * 1e-6 + 3 * 3 + sum_of_others(row, study), rel=1e-6)


def sum_of_others(row, study):
    """A second for each process that does not train, and what metrics take beside."""
    to_do = sum(
        row.count(stage)[0] for stage in ("dataset", "sequences", "metrics", "figure", "claim", "report")
    )
    measures = len(study.settings(EXPERIMENT, "cbp")["measures"])
    return to_do + 2 * 0.001 * 6 * measures


def test_stale_and_damaged_blocks_are_told_with_the_reason(study):
    finish(study, "cbp", (0, 3), code="0123456789abcdef")
    bad = finish(study, "backprop", (0, 5))
    prepare(study)
    bad.write_bytes(bad.read_bytes()[:-1])
    jobs = [job for job in Inventory(study, [EXPERIMENT]).jobs() if job.stage == "train"]
    reasons = {(job.variant, job.block): job.reason for job in jobs}
    assert reasons["cbp", (0, 3)] == "was trained by other code" and reasons["cbp", (4, 5)] == NEW
    assert bad.exists()  # a plan changes nothing
    lines = "\n".join(words.dry_run([planned(study).row(EXPERIMENT, [EXPERIMENT])]))
    assert "would train 4 blocks" in lines and "1 of cbp: was trained by other code" in lines


def test_the_longest_chain_is_a_block_and_what_surrounds_it(study):
    row = planned(study, cores=1000).row(EXPERIMENT, [EXPERIMENT])
    longest = 4 * 1797 * 20 * 1e-6 + 3
    assert longest < row.chain < longest + 7 and row.wall == row.chain
    assert planned(study, cores=1).row(EXPERIMENT, [EXPERIMENT]).wall == pytest.approx(row.cpu)


def test_jobs_are_dealt_to_cores_in_turn():
    assert budget.schedule([3.0, 1.0, 1.0, 1.0], 2) == 3.0
    assert budget.schedule([1.0, 1.0, 3.0], 2) == 4.0
    assert budget.schedule([], 2) == 0.0


def test_a_cost_that_is_not_known_is_not_made_up(study):
    plan = planned(study, known=lambda kind: False)
    row = plan.row(EXPERIMENT, [EXPERIMENT])
    assert row.unknown == 4
    text = "\n".join([*table.lines([row], 2), *words.sources(plan)])
    assert "> " in text and "1 of cbp, permuted_digits: cost not known" in text and gpu.NO_FIGURES in text


def kind(study, experiment, variant, scale_settings=None, seeds=30):
    settings = study.settings(experiment, variant, length=1)
    for part, changes in (scale_settings or {}).items():
        settings[part] = {**settings[part], **changes}
    return kinds.kind_of(settings, "fused", "cpu", seeds)


def test_only_what_costs_makes_a_kind(study):
    base = kind(study, EXPERIMENT, "cbp")
    assert base == kind(study, EXPERIMENT, "cbp", {"algorithm": {"replacement_rate": 0.5}}, seeds=2)
    assert base != kind(study, EXPERIMENT, "cbp", {"algorithm": {"replacement_rate": 0}})
    assert base != kind(study, EXPERIMENT, "cbp", {"algorithm": {"utility": "weight"}})
    assert base != kind(study, EXPERIMENT, "cbp", {"network": {"hidden": [50]}})


def test_a_neighbour_has_the_same_algorithm_and_about_the_same_size(study):
    wanted = kind(study, EXPERIMENT, "cbp")
    near = kind(study, EXPERIMENT, "cbp", {"network": {"hidden": [50]}})
    far = kind(study, EXPERIMENT, "cbp", {"network": {"hidden": [1]}})
    other = kind(study, EXPERIMENT, "backprop")
    weights = {wanted: 27_400, near: 3700, far: 74, other: 27_400}
    assert kinds.nearest(wanted, [far, other, near], weights) == near
    assert kinds.nearest(wanted, [far, other], weights) is None


def test_a_neighbour_s_time_goes_by_the_weights(study):
    wanted, near = (kind(study, EXPERIMENT, "cbp", {"network": {"hidden": [n]}}) for n in (100, 50))
    found = Table(study)
    found.measured[near] = Measured(1e-6, 0.5, 0.1, 1000, 10, {})
    source = costs.source(wanted, found, {wanted: 7400, near: 3700})
    assert (source.measured.step, source.measured.task, source.measured.state) == (2e-6, 1.0, 2000)
    assert source.like == near and source.factor == 2


def test_one_of_each_family_comes_first(study):
    a, b = (kind(study, EXPERIMENT, "cbp", {"network": {"activation": name}}) for name in ("relu", "tanh"))
    c = kind(study, EXPERIMENT, "backprop")
    assert kinds.in_order({a: 3.0, b: 2.0, c: 1.0}) == [a, c, b]


def test_wide_runs_need_memory_by_their_state(study):
    """Runs trained one by one leave their states, which are joined: twice all of them at the end."""
    own = Measured(1.0, 0.0, 1.0, 10**9, 10, {})
    settings = study.settings(EXPERIMENT, "cbp")
    cost = costs.train(settings, kind(study, EXPERIMENT, "cbp"), 30, 1, 1000, costs.Source(own), Table(study))
    assert cost.memory == 200_000_000 + 60 * 10**9
    assert cost.checkpoints == 60 * 10**9  # two of every run


def test_what_a_run_file_takes_on_disk_is_as_written(study, tmp_path):
    from perennial.estimate import overheads
    from perennial.procedures import Measurement, Outcome

    series, settings = overheads._files(), study.settings(EXPERIMENT, "cbp", length=400)
    found = Table(study)
    found.overheads = Overheads(1.0, {}, *series)
    values = {
        name: 3 if name in ("dead_units", "effective_rank", "stable_rank") else 1
        for name in settings["measures"]
    }
    made = {}
    for name, count in costs.points(settings, values).items():
        axis = {"task": np.arange(count)}
        made[name] = Measurement(np.zeros((5, count)), ("task",), axis, "percent", "a few words", "somewhere")
    path, outcome = tmp_path / "runs.h5", Outcome(made, {"weights": np.zeros((5, 1))}, 1)

    def fill(file):
        file.attrs.update({"seeds": np.arange(5), "settings": json.dumps(settings)})
        overheads.training._fill(file, outcome, list(range(5)))

    store.write(path, fill)
    assert costs.run_file(settings, 5, values, found) == pytest.approx(path.stat().st_size, rel=0.3)


def test_durations_sizes_and_amounts():
    assert [table.duration(s) for s in (3, 600, 7200, 720_000)] == ["3 s", "10 min", "2.0 h", "200 h"]
    assert [table.size(n) for n in (0, 1500, 2.5e9, 3e11)] == ["0", "1.5 KB", "2.5 GB", "300 GB"]
    assert [table.amount(n) for n in (999, 2.5e6, 30e9)] == ["999", "2.5 M", "30 G"]


def test_timings_are_kept_and_forgotten(tmp_path):
    memo = Memo(tmp_path)
    memo.put("a", [1.5])
    memo.save()
    assert Memo(tmp_path).get("a") == [1.5] and Memo(tmp_path, fresh=True).get("a") is None
    memo.path.write_text("{")
    assert Memo(tmp_path).get("a") is None  # a damaged file costs the timings, not the plan


def test_gpu_seconds_come_from_the_table_or_not_at_all(study, tmp_path):
    assert gpu.read(tmp_path / "none.json") == {}
    row = {"algorithm": {"name": "cbp"}, "weights": 1000, "runs": 30, "seconds_per_run_step": 1e-5}
    settings = study.settings(EXPERIMENT, "cbp")
    assert gpu.seconds_per_run_step({"rows": [row]}, settings, 1000) is None  # too narrow for a GPU
    settings["network"] = {**settings["network"], "hidden": [2000] * 3}
    assert gpu.seconds_per_run_step({"rows": [row]}, settings, 4000) == pytest.approx(4e-5)
    assert gpu.seconds_per_run_step({}, settings, 4000) is None
    settings["algorithm"] = {"name": "l2"}
    assert gpu.seconds_per_run_step({"rows": [row]}, settings, 4000) is None


def test_what_blocks_recorded_is_held_against_the_plan(study):
    finish(study, "cbp", (0, 3), cpu_seconds=1.0, peak_memory_bytes=2 * 10**8)
    (line,) = recorded.lines(planned(study, past=True), [EXPERIMENT])
    assert line.startswith(f"{EXPERIMENT}: 1 finished blocks: planned 2 s CPU, recorded 1 s (2.14 x)")
    assert recorded.lines(planned(study, past=True), []) == ["no finished blocks to compare with"]


def test_a_rehearsal_costs_what_training_costs(study, tmp_path):
    """Planned seconds of a real block against those that it records."""
    settings = study.settings(EXPERIMENT, "backprop", length=60)
    one = kinds.kind_of(settings, "fused", "cpu", 2)
    materials = timings.Materials(study)
    found = rehearsal.rehearse(one, settings, materials)
    stream = rehearsal._stream(one, settings, materials, 1)
    begin = time.process_time()
    for index in range(60):
        stream.task(index)
    seconds = time.process_time() - begin
    planned = found.step * 60 * materials.steps(settings) + found.task * 60
    assert 0.5 < planned / seconds < 2


def test_a_plan_of_the_smoke_scale(here, capsys):
    """For real: processes, timings, the printed table; and at once the second time."""
    arguments, begin = ["plan", "--scale", "smoke", "--cores", "2", "--seconds", "300"], time.monotonic()
    assert cli.main(arguments) == 0
    first, begin = time.monotonic() - begin, time.monotonic()
    out = capsys.readouterr().out
    assert cli.main(arguments) == 0
    again, second = capsys.readouterr(), time.monotonic() - begin
    assert again.out == out and "timing" not in again.err and second < first
    assert not Path("results").exists()  # a plan leaves nothing behind
    assert "permuted_digits: would train 3 blocks" in out and "7 of 7 kinds of runs" in out
    totals = next(line for line in out.splitlines() if line.startswith("all of these")).split()
    assert totals[3:8] == ["7", "2", "7", "3", "2"]  # blocks, sequences, metrics, figures, claims


@pytest.mark.parametrize("arguments", [["permuted_digit"], ["--scale", "smok"]])
def test_a_slip_of_the_pen_is_one_line(here, capsys, arguments):
    assert cli.main(["plan", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "did you mean" in captured.err and not captured.out


def test_a_bad_config_is_one_line_without_a_traceback(here):
    path = Path("config.yaml")
    path.write_text(path.read_text().replace("engine: auto", "engine: fast"))
    done = subprocess.run([sys.executable, "-m", "perennial.cli", "plan"], capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr.count("\n") == 1
        and "engine: 'fast' is not allowed" in done.stderr
    )


@pytest.mark.parametrize("option", [["--cores", "0"], ["--nodes", "-1"], ["--seconds", "long"]])
def test_numbers_of_options_are_checked(here, capsys, option):
    with pytest.raises(SystemExit):
        cli.main(["plan", *option])
    assert "invalid" in capsys.readouterr().err

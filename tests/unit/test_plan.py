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

from perennial import cli, config, datasets, registry
from perennial.dag import blocks, planning, stage_code
from perennial.estimate import (
    budget,
    costs,
    gpu,
    kinds,
    overheads,
    recorded,
    rehearsal,
    table,
    timings,
    words,
)
from perennial.estimate.dry_run import NoDryRun
from perennial.estimate.jobs import ALL, Jobs
from perennial.estimate.memo import Memo
from perennial.estimate.rehearsal import Measured
from perennial.files import store
from perennial.jobs import sequences

ROOT = Path(__file__).parents[2]
EXPERIMENT = "permuted_digits"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the study's config, timings of its own, and the compiled loops of all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("perennial.estimate.memo.folder", lambda: tmp_path / "cache")
    Path("config.yaml").write_text((ROOT / "config.yaml").read_text())
    Path("studies").symlink_to(ROOT / "studies")
    return tmp_path


@pytest.fixture
def study(here):
    source = the_studies.only(
        "laptop", {EXPERIMENT: {"seeds": 6, "length": 20, "variants": ["cbp", "backprop"]}}
    )
    return config.load(source, results=str(here), block_size=4)


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
    planner = planning.Planner(study)
    for variant in study.variants(EXPERIMENT):
        settings = study.settings(EXPERIMENT, variant)
        code = stage_code.sequences(settings)
        for block in planner.runs(EXPERIMENT, variant):
            for path in planner.sequences_of(EXPERIMENT, variant, block):
                sequences.make_block(settings, list(blocks.seeds_of(block)), path, code)


class Table(timings.Timings):
    """Timings that were not taken: every run-step costs a microsecond. `known` kinds only, if given."""

    def __init__(self, study, known=lambda kind: True):
        stages = dict.fromkeys(("dataset", "sequences", "train", "metrics", "figure", "claim", "report"), 1.0)
        self.study, self.stages, self.known_kinds = study, stages, known
        self.measured, self.why_not, self.starts = {}, {}, {("fused", "digits"): (2.0, 200_000_000)}
        self.materials, self.known = timings.Materials(study), Memo()

    def sequence(self, settings):
        return 0.001, 64.0

    def rehearse(self, work, settings):
        for kind in work:
            if self.known_kinds(kind):
                self.measured[kind] = Measured(1e-6, 110_840, 2.0, 200_000_000, 1)
            else:
                self.why_not[kind] = "no time was left"


def planned(study, cores=2, **options):
    """The budget of the experiment, and its row."""
    listed = Jobs(study, [EXPERIMENT])
    found = budget.Budget(study, listed.of([EXPERIMENT]), Table(study, **options), cores)
    return found, found.row(EXPERIMENT, listed.of([EXPERIMENT]), listed.done([EXPERIMENT]))


def counts(row):
    """rule -> jobs to do and done."""
    rules = ("dataset", "sequences", "train", "metrics", "figure", "claim", "report")
    return {rule: row.count(rule) for rule in rules}


def test_a_fresh_study_is_all_to_do(study):
    one = {"figure": (0, 0), "claim": (1, 0), "report": (1, 0), "dataset": (1, 0)}  # no folder, no figures
    assert counts(planned(study)[1]) == {"sequences": (2, 0), "train": (4, 0), "metrics": (2, 0), **one}


def test_finished_blocks_are_not_counted_again(study):
    finish(study, "cbp", (0, 3))
    prepare(study)
    _, row = planned(study)
    assert counts(row) | {"train": (3, 1), "sequences": (0, 2), "dataset": (0, 0)} == counts(row)
    each = 1797 * 20
    assert (row.steps, row.steps_done) == (8 * each, 4 * each)
    assert row.cpu == pytest.approx(8 * each * 1e-6 + 3 * 3 + sum_of_others(row, study), rel=1e-6)


def sum_of_others(row, study):
    """A second for each process that does not train, and what metrics take beside."""
    to_do = sum(found for rule, (found, _) in counts(row).items() if rule != "train")
    measures = len(study.settings(EXPERIMENT, "cbp")["measures"])
    return to_do + 2 * overheads.GATHERING * 6 * measures


def test_stale_and_damaged_blocks_are_told_with_the_reason(study):
    finish(study, "cbp", (0, 3), code="0123456789abcdef")
    bad = finish(study, "backprop", (0, 5))
    prepare(study)
    bad.write_bytes(bad.read_bytes()[:-1])
    _, row = planned(study)
    reasons = {(job.pair[1], job.wildcards["block"]): job.reason for job in row.to_do if job.rule == "train"}
    assert set(reasons) == {("cbp", "0-3"), ("cbp", "4-5"), ("backprop", "0-3"), ("backprop", "4-5")}
    assert reasons["cbp", "0-3"] == "was trained by other code"
    assert reasons["cbp", "4-5"] == "missing output files"
    assert row.count("train") == (4, 0)
    assert bad.exists()  # a plan changes nothing
    lines = "\n".join(words.dry_run([row]))
    assert "would train 4 blocks" in lines and "1 of cbp: was trained by other code" in lines


def test_each_target_has_the_jobs_that_it_would_start(here):
    """One dry run for all of them: what two experiments share counts for either, and once in the sum."""
    study = config.load(Path("config.yaml"), scale="paper", results=str(here))
    width, rate = "permuted_mnist_width", "permuted_mnist_rate"  # none is part of a plain run
    listed = Jobs(study, [width, rate, ALL])

    def tally(*targets):
        found = [job.rule for job in listed.of(targets)]
        return {rule: found.count(rule) for rule in ("dataset", "train", "report")}

    assert tally(width) == {"dataset": 1, "train": 3, "report": 1} == tally(rate)
    assert tally(width, rate) == {"dataset": 1, "train": 6, "report": 2}
    plain = [name for name in study.experiments() if study.experiment(name).all_by_default]
    pairs = [(name, variant) for name in plain for variant in study.variants(name)]
    assert tally(ALL)["train"] == sum(
        -(-len(study.seeds(*pair)) // study.block_size(*pair)) for pair in pairs
    )


def seeds(study, experiment):
    """Blocks of a variant."""
    return -(-len(study.all_seeds(experiment)) // 4)


def test_what_snakemake_refuses_is_told_in_its_words(study):
    with pytest.raises(NoDryRun, match="permuted_digit"):
        Jobs(study, ["permuted_digit"])


def test_the_longest_chain_is_a_block_and_what_surrounds_it(study):
    _, row = planned(study, cores=1000)
    longest = 4 * 1797 * 20 * 1e-6 + 3
    assert longest < row.chain < longest + 7 and row.wall == row.chain
    _, row = planned(study, cores=1)
    assert row.wall == pytest.approx(row.cpu)


def test_jobs_are_dealt_to_cores_in_turn():
    assert budget.schedule([3.0, 1.0, 1.0, 1.0], 2) == 3.0
    assert budget.schedule([1.0, 1.0, 3.0], 2) == 4.0
    assert budget.schedule([], 2) == 0.0


def test_a_cost_that_is_not_known_is_not_made_up(study):
    plan, row = planned(study, known=lambda kind: False)
    assert row.unknown == 4
    text = "\n".join([*table.lines([row], 2), *words.sources(plan)])
    assert "> " in text and "1 of cbp, permuted_digits: cost not known" in text and gpu.NO_FIGURES in text


def kind(study, experiment, variant, changes=None, seeds=30):
    settings = study.settings(experiment, variant, length=1)
    for part, values in (changes or {}).items():
        settings[part] = {**settings[part], **values}
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
    found.measured[near] = Measured(1e-6, 1000, 0.1, 10, 1)
    source = costs.source(wanted, found, {wanted: 7400, near: 3700})
    assert (source.measured.step, source.measured.kept) == (2e-6, 2000)
    assert source.like == near and source.factor == 2


def test_what_tells_most_is_timed_first(study):
    """The lightest of each algorithm, then the costliest of each family, then the others."""
    a, b = (kind(study, EXPERIMENT, "cbp", {"network": {"activation": name}}) for name in ("relu", "tanh"))
    wide = kind(study, EXPERIMENT, "cbp", {"network": {"hidden": [50, 50]}})
    c = kind(study, EXPERIMENT, "backprop")
    weights = {a: 10, b: 10, c: 10, wide: 1000}
    assert kinds.in_order({a: 3.0, b: 2.0, c: 1.0, wide: 9.0}, weights) == [a, c, wide, b]


def test_wide_runs_need_memory_by_their_state(study):
    """Runs trained one by one leave their states, which are joined: twice all of them at the end."""
    own = costs.Source(Measured(1.0, 10**9, 1.0, 10, 1))
    settings = study.settings(EXPERIMENT, "cbp")
    expense = costs.train(settings, kind(study, EXPERIMENT, "cbp"), 30, own, Table(study))
    assert expense.memory == 200_000_000 + 60 * 10**9
    assert expense.checkpoints == 60 * 10**9  # two of every run


def test_what_a_run_file_takes_on_disk_is_as_written(study, tmp_path):
    from perennial.jobs import training
    from perennial.jobs.outcome import Outcome
    from perennial.procedures import Series

    settings = study.settings(EXPERIMENT, "cbp", length=400)
    about = ("percent", "a few words", "somewhere")
    made = []
    for name, choice in settings["measures"].items():
        shape = (400 // choice["every"], *[3] * len(registry.module("measures", name).AXES))
        axes = {axis: np.arange(3) for axis in registry.module("measures", name).AXES}
        made.append(Series(name, "task", [np.arange(shape[0])], [np.zeros(shape)] * 5, *about, axes))
    path, outcome = tmp_path / "runs.h5", Outcome(made, {"weights": np.zeros((5, 1))})

    def fill(file):
        file.attrs.update({"seeds": np.arange(5), "settings": json.dumps(settings)})
        training._fill(file, outcome, list(range(5)))

    store.write(path, fill)
    assert costs.run_file(settings, 5) == pytest.approx(path.stat().st_size, rel=0.3)


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
    (line,) = recorded.lines(study, [EXPERIMENT], Table(study))
    assert line.startswith(f"{EXPERIMENT}: 1 finished blocks: planned 2 s CPU, recorded 1 s (2.14 x)")
    assert recorded.lines(study, [], Table(study)) == ["no finished blocks to compare with"]


def test_a_rehearsal_costs_what_training_costs(study):
    """Planned seconds of a real course against those that it takes."""
    settings = study.settings(EXPERIMENT, "backprop", length=60)
    one = kinds.kind_of(settings, "fused", "cpu", 1)
    materials = timings.Materials(study)
    found = rehearsal.rehearse(one, settings, materials)
    group = materials.group(settings, 1, one.engine, one.device)
    begin, done = time.process_time(), 0
    for run_steps in registry.module("procedures", "task_stream").start(group).pieces():
        done += run_steps
    seconds = time.process_time() - begin
    assert done == kinds.cost_of_run(settings).steps == 60 * 1797
    assert 0.5 < found.step * done / seconds < 2


def test_a_course_of_one_piece_is_timed_by_a_second_one(study):
    settings = study.settings(EXPERIMENT, "backprop", length=1)
    one = kinds.kind_of(settings, "fused", "cpu", 1)
    found = rehearsal.rehearse(one, settings, timings.Materials(study))
    assert 1e-8 < found.step < 1e-2 and found.runs == 1
    weights = kinds.weight_bytes(settings)
    assert weights < found.kept < 2 * weights  # plain descent keeps its weights and biases


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
    assert "permuted_digits: would train 3 blocks" in out and "9 of 9 kinds of runs" in out
    totals = next(line for line in out.splitlines() if line.startswith("all of these")).split()
    assert totals[3:8] == ["9", "4", "9", "5", "4"]  # blocks, sequences, metrics, figures, claims


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

"""What a change plans: exactly its own jobs and what is downstream (the rerun table of the house plan)."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import scenarios
from scenarios import TRUNCATED
from workflow_copy import ROOT

from perennial import config
from perennial.config import files
from perennial.files import store

CONFIG = ROOT / "config.yaml"
STUDY = config.load(CONFIG, scale="smoke")
REGRESSION, DIGITS = "slowly_changing_regression", "permuted_digits"
NOTHING = "Nothing to be done"


def of(stage, experiment, variants=None, seeds=""):
    """`train permuted_digits/cbp, seeds 0-1` for each variant."""
    names = STUDY.variants(experiment) if variants is None else variants
    return {f"{stage} {experiment}/{name}{seeds}" for name in names}


def figures(*experiments):
    return {f"figure {name}" for name, owners in STUDY.figures().items() if set(owners) <= set(experiments)}


def downstream(experiment, variants):
    """Metrics of the variants, and all that reads them, up to the report."""
    needed = {"claims " + experiment, "report", "all"} | of("metrics", experiment, variants)
    for figure, shown in STUDY.shown.items():
        if {(experiment, variant) for variant in variants} & set(shown):
            needed.add(f"figure {figure}")
    return needed


def test_the_smoke_study_runs_to_its_end(finished):
    folder = finished.folder / "results" / "smoke"
    assert (folder / "report.html").stat().st_size > 10_000
    lines = (folder / "claims.csv").read_text().splitlines()
    assert (
        lines[0] == "id,experiment,n,estimate,low,high,published,verdict,parts,settled_by" and len(lines) > 10
    )
    for experiment in STUDY.experiments():
        for variant in STUDY.variants(experiment):
            assert store.check(folder / "metrics" / experiment / f"{variant}.h5") is None
    for figure in STUDY.figures():
        assert (folder / "figures" / f"{figure}.svg").stat().st_size > 1000
        assert (folder / "figures" / f"{figure}.png").stat().st_size > 1000


def test_progress_is_seen_on_the_terminal_and_in_the_log(finished):
    log = finished.folder / f"results/smoke/logs/train/{DIGITS}/cbp/seeds_0-1.log"
    last = log.read_text().splitlines()[-1]
    assert last.startswith(f"{DIGITS}/cbp, seeds 0-1: done in ") and last in finished.out


def test_a_second_run_has_nothing_to_do(answer):
    found = answer("nothing_changed")
    assert found.code == 0 and NOTHING in found.out and not found.jobs


@pytest.mark.parametrize("name", ["harmless", "harmless_slurm", "harmless_gpu"])
def test_harmless_changes_plan_nothing_under_any_profile(answer, name):
    found = answer(name)
    assert found.code == 0, found.out
    assert found.jobs == set() and NOTHING in found.out


def test_every_profile_is_tested_and_carries_the_triggers():
    profiles = {
        path.parent.name: files.read_yaml(path) for path in (ROOT / "profiles").glob("*/profile.yaml")
    }
    assert set(profiles) == {"default", "slurm", "gpu"}
    for profile in profiles.values():
        assert profile["rerun-triggers"] == [
            "mtime"
        ]  # of which nothing is left: every input that stays is ancient


def test_no_rule_has_retries_or_runs_python_inside():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    assert not re.search(r"^\s*(retries|run):", text, re.MULTILINE) and "lambda" not in text


def test_code_of_adam_concerns_adam_alone(answer):
    pairs = [(name, variant) for name in STUDY.experiments() for variant in STUDY.variants(name)]
    adam = [pair for pair in pairs if STUDY.settings(*pair)["algorithm"]["name"] == "adam"]
    assert (REGRESSION, "relu_adam_0.01") in adam and len(adam) < len(pairs) / 2
    expected = set()
    for name, variant in adam:
        expected |= of("train", name, [variant], ", seeds 0-1") | downstream(name, [variant])
    assert answer("adam_code").jobs == expected


def test_code_of_a_problem_concerns_that_problem_alone(answer):
    jobs = answer("problem_code").jobs
    drawn = {job for job in jobs if job.startswith("sequences ")}
    assert len(drawn) == 1 and drawn.pop().startswith(f"sequences {DIGITS}-")
    others = {job for job in jobs if not job.startswith("sequences ")}
    variants = STUDY.variants(DIGITS)
    assert others == of("train", DIGITS, seeds=", seeds 0-1") | downstream(DIGITS, variants)


def test_code_of_a_figure_trains_nothing(answer):
    assert answer("figure_code").jobs == {"figure ed_fig_2b", "report", "all"}


def test_claims_and_published_curves_concern_what_reads_them(answer):
    assert answer("claims_file").jobs == {f"claims {DIGITS}", "report", "all"}
    again = {"figure ed_fig_2b", f"claims {REGRESSION}", "report", "all"}
    assert answer("published_curve").jobs == again


def test_a_setting_concerns_its_variant_alone(answer):
    expected = of("train", DIGITS, ["cbp"], ", seeds 0-1") | downstream(DIGITS, ["cbp"])
    assert answer("replacement_rate").jobs == expected


@pytest.mark.parametrize("name", ["more_seeds", "more_seeds_without_sequences"])
def test_more_seeds_train_only_the_new_ones(answer, name):
    jobs = answer(name).jobs
    trained = {job for job in jobs if job.startswith("train ")}
    assert trained == of("train", DIGITS, seeds=", seeds 2-2") | of("train", REGRESSION, seeds=", seeds 2-2")
    drawn = {job for job in jobs if job.startswith("sequences ")}
    assert len(drawn) == 2 and all(job.endswith(", seeds 2-2") for job in drawn)
    assert jobs - trained - drawn == downstream(DIGITS, STUDY.variants(DIGITS)) | downstream(
        REGRESSION, STUDY.variants(REGRESSION)
    )


def test_fewer_seeds_train_nothing(answer):
    jobs = answer("fewer_seeds").jobs
    assert not [job for job in jobs if job.startswith(("train ", "sequences ", "data "))]
    assert of("metrics", DIGITS) | of("metrics", REGRESSION) <= jobs


def test_another_variant_trains_only_that(answer):
    assert answer("another_variant").jobs == {
        f"train {DIGITS}/l2, seeds 0-1", f"metrics {DIGITS}/l2", f"figure {DIGITS}", f"claims {DIGITS}",
        "report", "all",
    }  # fmt: skip


def test_a_users_own_method_is_one_file_and_one_entry(answer):
    assert answer("own_method").jobs == {
        f"train {DIGITS}/mine, seeds 0-1", f"metrics {DIGITS}/mine", f"figure {DIGITS}", f"claims {DIGITS}",
        "report", "all",
    }  # fmt: skip


def test_an_experiments_target_makes_its_own_part_and_refreshes_the_report(answer):
    own = of("metrics", DIGITS) | figures(DIGITS) | {f"claims {DIGITS}"}
    assert answer("experiment_target").jobs == own | {f"{DIGITS}: report, refreshed"}


def test_a_figures_target_draws_that_figure(answer):
    assert answer("figure_target").jobs == {"figure ed_fig_2b"}


def test_results_without_a_record_are_asked_themselves(answer):
    found = answer("copied_results")
    assert {job for job in found.jobs if job.startswith("train ")} == {f"train {DIGITS}/cbp, seeds 0-1"}
    assert "algorithm.replacement_rate: 0.0001 there, 0.0002 wanted" in found.out


def test_a_truncated_file_is_only_reported_in_a_dry_run(answer):
    found = answer("truncated_dry")
    linear = ["linear_0.003"]
    expected = of("train", REGRESSION, linear, ", seeds 0-1") | downstream(REGRESSION, linear)
    assert found.jobs == expected
    assert f"{TRUNCATED}: is truncated" in found.out and "a real run sets it aside" in found.out
    path = found.folder / TRUNCATED
    assert store.check(path) and not list(path.parent.glob("*.bad"))


def test_a_truncated_file_is_set_aside_and_trained_again(answer, finished):
    found = answer("truncated_run")
    assert found.code == 0 and f"{TRUNCATED}: is truncated" in found.out and "set aside" in found.out
    assert found.jobs == {f"train {REGRESSION}/linear_0.003, seeds 0-1", f"metrics {REGRESSION}/linear_0.003"}
    path = found.folder / TRUNCATED
    assert store.check(path) is None
    assert path.with_name(path.name + ".bad").is_file()
    assert_same_numbers(path, finished.folder / TRUNCATED)


def assert_same_numbers(path, other):
    """Trained again, a seed has the same numbers, bit for bit."""
    with store.open_checked(path) as mine, store.open_checked(other) as theirs:
        for seed in (0, 1):
            names = set(mine[f"seed_{seed:04d}"])
            assert names == set(theirs[f"seed_{seed:04d}"]) and names
            for name in names:
                key = f"seed_{seed:04d}/{name}"
                assert mine[key][...].tobytes() == theirs[key][...].tobytes()


def test_the_paper_scale_plans_all_its_runs(answer):
    study = config.load(CONFIG, scale="paper")
    jobs = answer("paper").jobs
    asked = [name for name in study.experiments() if study.experiment(name).all_by_default]
    pairs = [(name, variant) for name in asked for variant in study.variants(name)]
    expected = sum(-(-len(study.seeds(*pair)) // study.block_size(*pair)) for pair in pairs)
    assert sum(job.startswith("train ") for job in jobs) == expected


def without_hashes(jobs):
    """Sequence jobs by the name of their problem."""
    return sorted(re.sub(r"-[0-9a-f]{8},", ",", job) for job in jobs)


def test_mnist_is_planned_on_request(answer):
    name = "permuted_mnist_width"
    assert without_hashes(answer("laptop_mnist").jobs) == sorted([
        "data mnist", "sequences permuted_mnist, seeds 0-9", f"train {name}/width_100, seeds 0-9",
        f"metrics {name}/width_100", f"claims {name}", "figure ed_fig_3b", f"{name}: report, refreshed",
    ])  # fmt: skip


RATES = ("every_10k", "every_100k", "every_1m")


def test_variants_of_different_problems_have_sequences_of_their_own(answer):
    """And a figure that shows other experiments as well is no part of one experiment's target."""
    name = "permuted_mnist_rate"
    assert without_hashes(answer("paper_rate").jobs) == sorted([
        "data mnist", *["sequences permuted_mnist, seeds 0-29"] * 3, f"claims {name}",
        *(f"train {name}/{rate}, seeds 0-29" for rate in RATES), *(f"metrics {name}/{rate}" for rate in RATES),
        f"{name}: report, refreshed",
    ])  # fmt: skip


def test_a_shared_figure_has_a_target_of_its_own(answer):
    jobs = answer("paper_shared_figure").jobs
    trained = {job.split(",")[0] for job in jobs if job.startswith("train ")}
    steps, widths = ("0.01", "0.003", "0.001"), (100, 1000, 10000)
    expected = {f"train permuted_mnist_rate/{rate}" for rate in RATES}
    expected |= {f"train permuted_mnist/backprop_{step}" for step in steps}
    assert trained == expected | {f"train permuted_mnist_width/width_{width}" for width in widths}
    assert "figure ed_fig_3b" in jobs and sum(job.startswith("sequences ") for job in jobs) == 5


def test_a_block_whose_job_was_killed_before_the_record_is_not_trained_again(answer):
    found = answer("killed_before_the_record")
    assert found.code == 0, found.out
    assert {job for job in found.jobs if job.startswith("train ")} == {
        "train permuted_digits/backprop, seeds 0-1"
    }


MISTAKES = {
    "mistake_in_a_setting": "experiment.yaml: variants.cbp.algorithm.replacement_rate: -1 is not allowed",
    "mistake_in_a_key": "permuted_digits/experiment.yaml: variants.l2.algorithm.step_sise: unknown key",
    "mistake_on_the_command_line": "--config: scale: 'labtop' is not known",
    "mistake_in_yaml": "config.yaml: line",
    "mistake_in_an_experiments_yaml": "permuted_digits/experiment.yaml: line",
    "mistake_in_claims": "permuted_digits/claims.yaml: headline.metric: Field required",
    "mistake_in_a_figure": "permuted_digits/figures/permuted_digits.py: cannot be imported (SyntaxError",
    "config_of_an_older_version": "config.yaml: scales: moved",
    "no_config": "config.yaml: no such file",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_ends_in_one_line_before_any_work(answer, name):
    found = answer(name)
    assert found.code != 0 and not found.jobs and "Traceback" not in found.out
    lines = [
        line for line in found.out.splitlines() if line and not line.startswith(("Using work", "Config file"))
    ]
    assert len(lines) == 1 and MISTAKES[name] in lines[0], found.out


def test_lint_finds_nothing(answer):
    found = answer("lint")
    assert found.code == 0 and "Congratulations" in found.out, found.out


def test_rules_are_formatted():
    done = subprocess.run([sys.executable, "-m", "snakefmt", "--check", "Snakefile", "rules"], cwd=ROOT)
    assert done.returncode == 0


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60


def test_every_scenario_is_asked_about():
    text = (ROOT / "tests" / "dag" / "test_dag.py").read_text()
    assert [name for name in scenarios.ALL if f'"{name}"' not in text] == []

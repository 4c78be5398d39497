"""What training jobs ask a cluster for: memory by the runs they hold, time by what was timed, or generously."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from perennial import config
from perennial.estimate import kinds, memo, resources

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_timed(tmp_path, monkeypatch):
    """A machine on which no plan was made."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    forget()
    yield
    forget()


def forget():
    """As in a new process."""
    resources._known.cache_clear()
    resources._timed_once.cache_clear()


def asked(experiment, variant, seeds, attempt=1, **changes):
    """Megabytes and minutes of a block at scale paper."""
    study = config.load(ROOT / "config.yaml", scale="paper", **changes)
    settings = study.settings(experiment, variant)
    return (
        resources.memory_mb(study, settings, seeds, attempt),
        resources.minutes(study, settings, seeds, attempt),
    )


def timed(experiment, variant, seeds, **found):
    """Leave a timing as a plan does."""
    study = config.load(ROOT / "config.yaml", scale="paper")
    settings = study.settings(experiment, variant)
    kind = kinds.kind_of(settings, "auto", "auto", seeds)
    known = memo.Memo()
    known.put(memo.name_of_kind(kind.key, settings), found)
    known.save()
    forget()


def test_a_small_block_asks_for_the_process_and_half_as_much_again():
    # 27,400 weights of 4 bytes; with all that is remembered of them four times that; 30 runs, twice at the end:
    # 1.5 (800 MB + 26 MB), in hundreds
    memory, _ = asked("permuted_digits", "cbp", 30)
    assert memory == 1300


def test_wide_networks_ask_for_the_states_of_all_runs():
    # 9,588,000 weights: 153 MB a state; 1.5 (800 MB + 60 states), and 1.5 (800 MB + 4 states)
    assert asked("permuted_mnist", "backprop_0.01", 30)[0] == 15_100
    assert asked("permuted_mnist", "backprop_0.01", 1)[0] == 2_200
    # in a stack: twice the state, and three times the weights within a step
    assert asked("permuted_mnist", "backprop_0.01", 30, engine="stacked")[0] == 20_200


def test_a_gpu_asks_for_what_its_libraries_take():
    # 1.5 (800 MB + a stack of 12,656 MB), and 2,500 MB more
    assert asked("permuted_mnist", "backprop_0.01", 30, engine="graphed", device="cpu")[0] == 20_200
    assert asked("permuted_mnist", "backprop_0.01", 30, device="cuda")[0] == 24_000


def test_time_without_timings_is_generous():
    # 3 million steps of 30 runs at 20 us, 105 weights at 10 ns more: 1,895 s, and 5 minutes
    assert asked("slowly_changing_regression", "relu_0.01", 30)[1] == 37
    # 54 million steps at 20 us + 274 us: 15,876 s
    assert asked("permuted_digits", "cbp", 30)[1] == 270


def test_a_step_costs_by_its_examples():
    """A mini-batch of 100 costs a hundred times what one example does."""
    own = asked("continual_imagenet", "fresh", 1)[1]
    # 50 tasks of 3,000 steps at 20 us + 100 * 176,736 weights * 10 ns
    assert own == 447 == -(-(300 + 150_000 * (2e-5 + 1e-8 * 100 * 176_736)) // 60)


def test_time_has_a_floor_and_a_ceiling():
    assert asked("slowly_changing_regression", "relu_0.01", 1)[1] == 30
    assert asked("permuted_mnist", "backprop_0.01", 30)[1] == 1440


@pytest.mark.parametrize("attempt", [2, 3])
def test_every_attempt_asks_for_more(attempt):
    first = asked("permuted_mnist", "backprop_0.01", 30)
    assert asked("permuted_mnist", "backprop_0.01", 30, attempt) == (first[0] * attempt, first[1] * attempt)


def test_what_a_plan_has_timed_is_used():
    timed("permuted_mnist", "backprop_0.01", 1, step=9.9e-5, kept=38_400_000)
    # 48 million steps at three times 99 us: 14,256 s, and 5 minutes; 1.5 (800 MB + 4 states of 38 MB)
    assert asked("permuted_mnist", "backprop_0.01", 1) == (1_500, 243)


def test_a_plan_without_an_answer_changes_nothing():
    before = asked("permuted_mnist", "backprop_0.01", 1)
    timed("permuted_mnist", "backprop_0.01", 1, left=45.0)
    assert asked("permuted_mnist", "backprop_0.01", 1) == before


def test_asking_does_without_pytorch():
    """Snakemake asks for every block, when it builds the DAG and again in each job."""
    code = """
import sys
from perennial import config
from perennial.estimate import resources
study = config.load("config.yaml", scale="paper")
for experiment in study.experiments():
    for variant in study.variants(experiment):
        resources.minutes(study, study.settings(experiment, variant), 30, 1)
        resources.memory_mb(study, study.settings(experiment, variant), 30, 1)
print(*{"torch", "seaborn", "h5py"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

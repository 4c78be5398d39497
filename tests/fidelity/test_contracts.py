"""What every algorithm owes, under every engine that can train it. A file added to `algorithms/` is covered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial.jobs import outcome

ENGINES = ["stacked", "fused"]
PROBLEMS = {REGRESSION: {"flip_every": 60}, DIGITS: {}}
IMAGES = 60

# Settings under which an algorithm must be another one, to the last bit.
NEUTRAL = {
    "continual backpropagation that renews nothing": ("cbp", {"replacement_rate": 0}, "backprop"),
    "no noise and no decay": ("shrink_and_perturb", {"noise_std": 0, "weight_decay": 0}, "backprop"),
    "no noise": ("shrink_and_perturb", {"noise_std": 0}, "l2"),
    "no penalty": ("l2", {"weight_decay": 0}, "backprop"),
    "renews nothing, with Adam": ("cbp", {"replacement_rate": 0, "optimiser": "adam", "step_size": 0.001}, "adam"),
}  # fmt: skip


@pytest.mark.parametrize("name", NEUTRAL)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_without_its_own_part_an_algorithm_is_another(problem, engine, name):
    algorithm, changes, other = NEUTRAL[name]
    deep = algorithm == "cbp" and "optimiser" not in changes  # a deep loop on Adam takes long to compile
    hidden = {"hidden": [40, 40] if deep else [40]} if problem == DIGITS else {}
    one, two = (support.small(problem, kind, **PROBLEMS[problem], **hidden) for kind in (algorithm, other))
    one["algorithm"] = {**one["algorithm"], **changes}
    a, b = (support.train(settings, [0, 7], engine, IMAGES) for settings in (one, two))
    assert support.same_bits(a, b, "weights")


@pytest.mark.parametrize("algorithm", support.algorithms())
@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_algorithm_moves_every_layer_and_stays_finite(problem, algorithm):
    settings = support.small(problem, algorithm, **PROBLEMS[problem])
    for engine in support.engines_of(settings):
        start = support.stream(settings, [0], engine, IMAGES).learner.state()["weights"]
        end = support.train(settings, [0], engine, IMAGES)
        assert all(np.isfinite(array).all() for _, array in support.leaves(end))
        assert all((start[name] != end["weights"][name]).any() for name in start)


def digests() -> dict[str, list[str]]:
    """Fingerprints of the last states of two runs of every algorithm, problem and engine."""
    found = {}
    for problem, shape in PROBLEMS.items():
        for algorithm in support.algorithms():
            settings = support.small(problem, algorithm, **shape)
            for engine in support.engines_of(settings):
                state = support.train(settings, [0, 7], engine, IMAGES)
                key = f"{problem} {algorithm} {engine}"
                found[key] = [outcome.digest(state, run) for run in range(2)]
    return found


def test_a_run_replays_from_its_seed_in_a_fresh_process():
    program = "import json; from fidelity import test_contracts; print(json.dumps(test_contracts.digests()))"
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "5"}
    child = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    here = digests()
    assert json.loads(child.stdout.splitlines()[-1]) == here
    assert all(one != two for one, two in here.values())


def accuracies(permutation: str) -> np.ndarray:
    """Percent right of 40 tasks, the mean of five runs of backpropagation: [task]."""
    measures = {"online_accuracy": {"every": 1}}
    settings = support.small(DIGITS, "backprop", length=40, permutation=permutation, measures=measures)
    runs = support.stream(settings, [0, 1, 2, 3, 4], "fused")
    for index in range(40):
        support.learn(runs, index)
    return support.values(runs)["online_accuracy"].mean(axis=0)


def test_accuracy_does_not_fall_where_the_task_never_changes():
    """The control of the digits: the pixels stay in place. With permutations every task is new."""
    still, moving = accuracies("none"), accuracies("compound")
    tens = still.reshape(4, 10).mean(axis=1)
    assert (np.diff(tens) >= 0).all() and tens[-1] > 99
    assert still[1] > moving[1] + 5

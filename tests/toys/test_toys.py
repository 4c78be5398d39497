"""The toy courses: cut and resumed bit for bit, whatever runs beside them; killed for real; drawn and judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from perennial import config, datasets, procedures, registry
from perennial.claims import records
from perennial.files import series
from perennial.learning import tree
from perennial.procedures import Group

HERE = Path(__file__).parent
TOYS = {"chain": "cbp", "pair": "cbp", "pruning": "rewound"}
SEEDS = [0, 1, 2]


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory) -> Path:
    """A config that knows this study and nothing else."""
    folder = tmp_path_factory.mktemp("toys")
    file = folder / "config.yaml"
    lines = ["scale: smoke", f"studies: [{HERE}]", f"results: {folder / 'results'}", "checkpoint_seconds: 0"]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def study(settings_file):
    return config.load(settings_file)


def begin(settings: dict, seeds: list[int]) -> procedures.Course:
    """Runs of a toy before their first step."""
    module, choices = registry.world(settings)
    met = [module.sequence(choices, seed, settings["length"]) for seed in seeds]
    data = datasets.arrays(module.DATASET) if module.DATASET else None
    start = registry.module("procedures", settings["procedure"]["name"]).start
    return start(Group(settings, seeds, met, data))


def finish(course: procedures.Course) -> int:
    return sum(course.pieces())


def equal(one, other) -> bool:
    """Whether two courses ended alike, to the last bit."""
    states = zip(tree.leaves(one.state()), tree.leaves(other.state()), strict=True)
    found = zip(one.results(), other.results(), strict=True)
    same = [np.array_equal(a, b) for (_, a), (_, b) in states]
    same += [np.array_equal(a, b) for x, y in found for a, b in zip(x.values, y.values, strict=True)]
    return all(same)


@pytest.mark.parametrize(("toy", "variant"), TOYS.items())
def test_a_course_is_cut_anywhere_and_goes_on_to_the_last_bit(study, toy, variant):
    settings = study.settings(toy, variant)
    whole = begin(settings, SEEDS)
    snapshots, done = [], 0
    for run_steps in whole.pieces():
        done += run_steps
        snapshots.append(whole.snapshot())
    assert done == whole.total == procedures_cost(settings).steps * len(SEEDS)
    for kept in (snapshots[0], snapshots[len(snapshots) // 2]):
        resumed = begin(settings, SEEDS)
        resumed.restore(kept)
        finish(resumed)
        assert equal(whole, resumed)


def procedures_cost(settings: dict) -> procedures.Cost:
    return registry.module("procedures", settings["procedure"]["name"]).cost(settings)


@pytest.mark.parametrize(("toy", "variant"), TOYS.items())
def test_a_runs_numbers_do_not_depend_on_its_neighbours(study, toy, variant):
    settings = study.settings(toy, variant)
    together, alone = begin(settings, SEEDS), begin(settings, SEEDS[1:2])
    finish(together)
    finish(alone)
    pairs = zip(tree.leaves(together.state()), tree.leaves(alone.state()), strict=True)
    assert all(np.array_equal(a[1:2], b) for (_, a), (_, b) in pairs)
    assert all(
        np.array_equal(x.values[1], y.values[0])
        for x, y in zip(together.results(), alone.results(), strict=True)
    )


def test_episodes_have_unequal_lengths_and_one_position_each(study):
    course = begin(study.settings("chain", "backprop"), SEEDS)
    finish(course)
    (returns,) = course.results()
    assert returns.ragged and len({len(values) for values in returns.values}) > 1
    for steps, values in zip(returns.positions, returns.values, strict=True):
        assert (
            len(steps) == len(values) and (np.diff(steps) >= 2).all()
        )  # two steps at least from the middle to an end


def test_a_shared_layer_is_one_array_with_the_outgoing_weights_of_both_networks(study):
    course = begin(study.settings("pair", "cbp"), [0])
    weights = course.state()["weights"]
    assert "first.weight_0" in weights and "second.weight_0" not in weights and "second.weight_1" in weights
    assert list(course.state()["algorithm"]) == ["first.hidden_0"]
    (layer,) = course.learner.networks.hidden
    outgoing = layer.units(tree.each(torch.from_numpy, weights)).outgoing
    assert [tuple(array.shape) for array in outgoing] == [(1, 8, 1, 1)] * 2  # [r, h, p, o] of either network


def perennial(settings_file: Path, toy: str, variant: str, **environment: str) -> subprocess.CompletedProcess:
    """Train seed 0 in a process of its own."""
    command = [sys.executable, "-m", "perennial.cli", "run", toy, variant, "--config", str(settings_file)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def values(path: Path) -> list[bytes]:
    """Everything that a run file says about seed 0."""
    with h5py.File(path, "r") as file:
        state = file[series.group_of(0)].attrs["state_sha256"].encode()
        return [state, *(found.values.tobytes() for found in series.read(file, 0))]


@pytest.mark.parametrize(("toy", "variant"), TOYS.items())
def test_a_killed_run_is_resumed_to_the_last_bit(settings_file, toy, variant):
    killed = perennial(settings_file, toy, variant, PERENNIAL_FAULT="kill@store.renamed:1:seed_0000.*")
    assert killed.returncode == -9
    resumed = perennial(settings_file, toy, variant)
    assert resumed.returncode == 0 and "resumed at step" in resumed.stderr, resumed.stderr
    path = Path(resumed.stdout.splitlines()[-1])
    found = values(path)
    path.unlink()
    undisturbed = perennial(settings_file, toy, variant)
    assert "resumed" not in undisturbed.stderr and values(path) == found


def test_all_three_are_trained_drawn_judged_and_on_the_page(settings_file, study):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        str(settings_file),
        "--cores",
        "2",
        "--nolock",
    ]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verdicts = {row["id"]: row["verdict"] for row in records.ledger(study.folder / "claims")}
    assert set(verdicts) == {"TC1", "TC2", "TP1", "TR1"} and "not run" not in verdicts.values()
    page = (study.folder / "report.html").read_text(encoding="utf-8")
    for toy in TOYS:
        assert (study.folder / "figures" / f"toy_{toy}.svg").is_file() and study.experiment(toy).title in page

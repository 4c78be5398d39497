"""Runs that are cut in two and go on from what was written to disk are the undisturbed runs, to the last bit.

Every algorithm under every engine: what a snapshot lacks would show here. Runs that learn in passes
are cut in test_convnet.py, test_pooled.py and test_graphed_batches.py. Kills are in tests/faults.
"""

from __future__ import annotations

import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION
from requirements import require_or_skip

from perennial.files import store
from perennial.lazy import torch
from perennial.learning import engines

IMAGES, TASKS, PIECE = 70, 3, 50
SEEDS = [3, 8]
SHAPES = {REGRESSION: {"flip_every": 77}, DIGITS: {"probe_examples": 10}}


def through_a_file(tree, path):
    """A tree as it comes back from disk."""
    store.write(path, lambda file: store.write_tree(file, "kept", tree))
    with store.open_checked(path) as file:
        return store.read_tree(file["kept"])


def finish(runs):
    support.finish(runs)
    measured = {name: found.tobytes() for name, found in support.values(runs).items()}
    return runs.state(), measured, runs.steps


def settings_of(problem, algorithm, **changes):
    measures = {name: {"every": 2} for name in support.measures(problem)}
    return support.small(problem, algorithm, length=TASKS, measures=measures, **SHAPES[problem], **changes)


def engines_of(settings):
    graphed = engines.fast_path("graphed", settings["algorithm"]["name"])
    return [*support.engines_of(settings), *(["graphed"] if graphed else [])]


def again(runs, settings, engine, path, device):
    """The runs in another process, as it were."""
    new = support.stream(settings, SEEDS, engine, IMAGES, device)
    new.restore(through_a_file(runs.snapshot(), path))
    new.learner.piece = runs.learner.piece and PIECE
    return new


def check(settings, engine, path, device="cpu"):
    whole = finish(support.stream(settings, SEEDS, engine, IMAGES, device))
    runs = support.stream(settings, SEEDS, engine, IMAGES, device)
    support.learn(runs, 0)
    runs = again(runs, settings, engine, path, device)
    next(runs.pieces_of(1))  # within a task, where the engine can be cut there
    assert engine == "graphed" or (runs.tasks, sum(p.shape[1] for p in runs.performance)) == (1, PIECE)
    runs = again(runs, settings, engine, path, device)
    state, measured, steps = finish(runs)
    assert support.same_bits(state, whole[0]), engine
    assert (measured, steps) == whole[1:], engine


@pytest.mark.parametrize("algorithm", support.algorithms())
@pytest.mark.parametrize("problem", SHAPES)
def test_a_cut_changes_no_bit(problem, algorithm, tmp_path):
    settings = settings_of(problem, algorithm)
    for engine in engines_of(settings):
        check(settings, engine, tmp_path / "cut.h5")


@pytest.mark.parametrize("reset", ["network", "head"])
def test_a_cut_before_a_reset_changes_no_bit(reset, tmp_path):
    settings = settings_of(DIGITS, "cbp", reset=reset)
    for engine in engines_of(settings):
        check(settings, engine, tmp_path / "cut.h5")


def test_a_cut_changes_no_bit_on_a_gpu(tmp_path):
    require_or_skip("cuda", torch.cuda.is_available(), "PyTorch finds no CUDA device here")
    check(settings_of(DIGITS, "cbp", hidden=[100, 100]), "graphed", tmp_path / "cut.h5", "cuda")

"""A run's numbers depend on its settings and seed alone: not on its block, its place in it, or the threads.

To the last bit, on the CPU, whatever the algorithm, activation, problem, precision and engine.
"""

from __future__ import annotations

import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial.files import store
from perennial.jobs import outcome, sequences, training

SEEDS = list(range(30))
# Blocks of 30, 8, 2 and 1 runs: backwards, mixed, at other places than in the whole.
BLOCKS = [SEEDS[::-1], [3, 26, 2, 27, 5, 11, 0, 29], [7, 26], [2], [29]]
ACTIVATIONS = ["relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish"]
IMAGES, STEPS = 25, 25
# Widths that fill no vector register evenly.
SHAPES = {REGRESSION: {"flip_every": STEPS}, DIGITS: {"hidden": [13, 11], "length": 1}}


def cases() -> list[tuple[str, str, str]]:
    """Every activation under backpropagation, and every algorithm under sigmoid, of the most delicate rounding."""
    pairs = [("backprop", activation) for activation in ACTIVATIONS]
    pairs += [(name, "sigmoid") for name in support.algorithms() if name != "backprop"]
    return [(name, act, precision) for name, act in pairs for precision in ("float32", "float64")]


@pytest.mark.parametrize(("algorithm", "activation", "precision"), cases())
@pytest.mark.parametrize("problem", SHAPES)
def test_stack_does_not_matter(problem, algorithm, activation, precision):
    changes = {"activation": activation, "precision": precision, **SHAPES[problem]}
    settings = support.variant(problem, support.hyper(algorithm), **changes)
    whole = support.train(settings, SEEDS, "stacked", IMAGES)
    for block in BLOCKS:
        part = support.train(settings, block, "stacked", IMAGES)
        for place, seed in enumerate(block):
            one, other = outcome.digest(part, place), outcome.digest(whole, seed)
            assert one == other, f"seed {seed} at place {place} of {len(block)}"


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict:
    """Sequences of all seeds for either problem, and a data set of a few images."""
    folder = tmp_path_factory.mktemp("files")
    data = folder / "digits.h5"
    images = support.digits(IMAGES)
    store.write(data, lambda file: [file.create_dataset(key, data=array) for key, array in images.items()])
    found = {"dataset": {REGRESSION: None, DIGITS: data}}
    for problem in SHAPES:
        settings = (
            support.variant(problem, support.hyper("backprop"), flip_every=STEPS)
            if problem == REGRESSION
            else (support.variant(problem, support.hyper("backprop")))
        )
        found[problem] = folder / f"{problem}.h5"
        sequences.make_block(settings, SEEDS, found[problem])
    return found


def fingerprints(
    settings: dict, block: list[int], engine: str, threads: int, files: dict
) -> dict[int, bytes]:
    """State and measurements of each run of a block, trained as a job trains it."""
    problem = settings["problem"]["name"]
    end = training.train(settings, block, [files[problem]], files["dataset"][problem], engine, threads)
    by_name = sorted(end.series, key=lambda series: series.name)
    assert [series.name for series in by_name] == sorted(settings["measures"])
    found = {}
    for r, seed in enumerate(block):
        measured = b"".join(series.values[r].tobytes() for series in by_name)
        found[seed] = outcome.digest(end.state, r).encode() + measured
    return found


@pytest.mark.parametrize("algorithm", support.algorithms())
@pytest.mark.parametrize("problem", SHAPES)
def test_block_and_threads_do_not_matter_to_a_job(problem, algorithm, files):
    """Both engines, everything measured; the fused one with one and two threads."""
    measures = {name: {"every": 1} for name in support.measures(problem)}
    shape = {"flip_every": STEPS} if problem == REGRESSION else {"probe_examples": 10}
    settings = support.small(problem, algorithm, measures=measures, **shape)
    for engine in support.engines_of(settings):
        whole = fingerprints(settings, SEEDS, engine, 1, files)
        assert len(set(whole.values())) == len(SEEDS)
        for threads, block in enumerate(BLOCKS[:4]):
            part = fingerprints(settings, block, engine, 1 + threads % 2, files)
            assert all(part[seed] == whole[seed] for seed in block), (engine, block)
        if engine == "fused":
            assert fingerprints(settings, SEEDS, engine, 2, files) == whole

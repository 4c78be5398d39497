"""Eight runs in the lanes of a vector: the bits of the compiled loop that takes one run at a time.

That loop is held to the definition in test_engines.py, and so is this one by `both` there.
"""

from __future__ import annotations

import numpy as np
import pytest
from fidelity import support
from fidelity.support import DIGITS, REGRESSION

from perennial import procedures
from perennial.learning import engines, tree

ALGORITHMS = [
    name for name in support.algorithms() if "lanes" in support.engines_of(support.small(REGRESSION, name))
]
SEEDS = list(range(11))  # one full group, and one that is filled up


def last(settings: dict, seeds: list[int], engine: str, cut: int | None = None) -> tuple[dict, np.ndarray]:
    """The last state and the performances [r, step] of runs in groups as large as the engine takes.

    Args:
        cut: each task is learnt in two pieces, with fresh learners in between.
    """
    size, states, performances = engines.GROUPS[engine], [], []
    for first in range(0, len(seeds), size):
        stream, found = support.stream(settings, seeds[first : first + size], engine), []
        for index in range(settings["length"]):
            tasks = [problem.task(index) for problem in stream.problems]
            for start, stop in [(0, cut), (cut, None)] if cut else [(0, None)]:
                found.append(stream.learner.train(tasks, index, start, stop))
                if cut:
                    state = stream.learner.state()
                    stream.learner = support.stream(settings, seeds[first : first + size], engine).learner
                    stream.learner.load(state)
        states.append(stream.learner.state())
        performances.append(np.concatenate(found, axis=1))
    return tree.joined(states), np.concatenate(performances)


@pytest.mark.parametrize(
    ("algorithm", "precision"), [*((name, "float64") for name in ALGORITHMS), ("cbp", "float32")]
)
def test_the_bits_are_those_of_the_loop_for_one_run(algorithm, precision):
    settings = support.small(REGRESSION, algorithm, precision=precision, flip_every=300, length=2)
    (one, errors), (other, its) = (last(settings, SEEDS, engine) for engine in ("lanes", "fused"))
    assert support.same_bits(one, other)
    assert errors.tobytes() == its.tobytes()
    if algorithm == "cbp":
        assert (one["algorithm"]["hidden_0"]["age"].min(axis=1) < 600).all()  # all runs renewed units


@pytest.mark.parametrize("correction", ["standard", "gnt_bug"])
def test_renewed_weights_forget_adam_s_moments(correction):
    settings = support.small(REGRESSION, "cbp", flip_every=300, length=2)
    settings["algorithm"] |= {"optimiser": "adam", "step_size": 0.001, "adam_bias_correction": correction}
    (one, errors), (other, its) = (last(settings, SEEDS, engine) for engine in ("lanes", "fused"))
    assert support.same_bits(one, other) and errors.tobytes() == its.tobytes()
    ages = one["optimiser"]["age"]["weight_0"].reshape(len(SEEDS), -1)
    assert (ages.min(axis=1) < 600).all() and (ages.max(axis=1) == 600).any()


@pytest.mark.parametrize("activation", ["leaky_relu", "tanh", "sigmoid", "elu", "swish"])
def test_every_activation(activation):
    settings = support.small(REGRESSION, "backprop", activation=activation, length=4)
    (one, errors), (other, its) = (last(settings, SEEDS, engine) for engine in ("lanes", "fused"))
    assert support.same_bits(one, other) and errors.tobytes() == its.tobytes()


@pytest.mark.parametrize("changes", [{"hidden": []}, {"hidden": [8], "inputs": 9, "slow_bits": 4}])
def test_other_shapes(changes):
    settings = support.small(REGRESSION, "l2", length=3, **changes)
    (one, errors), (other, its) = (last(settings, SEEDS[:3], engine) for engine in ("lanes", "fused"))
    assert support.same_bits(one, other) and errors.tobytes() == its.tobytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_runs_go_on_from_their_state_in_any_group(algorithm):
    settings = support.small(REGRESSION, algorithm, flip_every=300, length=2)
    whole, errors = last(settings, SEEDS, "lanes")
    for seeds in ([9, 2], [4]):
        part, own = last(settings, seeds, "lanes", cut=133)
        assert support.same_bits(part, tree.each(lambda array, seeds=seeds: array[seeds], whole))
        assert own.tobytes() == errors[seeds].tobytes()


@pytest.mark.parametrize(
    ("problem", "algorithm", "changes", "words"),
    [
        (DIGITS, "backprop", {}, "no fast path for loss 'cross_entropy'"),
        (REGRESSION, "backprop", {"hidden": [9]}, "one hidden layer of 8 units at most"),
        (REGRESSION, "backprop", {"hidden": [5, 5]}, "one hidden layer of 8 units at most"),
        (REGRESSION, "shrink_and_perturb", {"noise": "sum4"}, "no fast path for noise 'sum4'"),
        (REGRESSION, "cbp", {"utility": "random"}, "no fast path for utility 'random'"),
        (REGRESSION, "backprop", {"momentum": 0.9}, "momentum"),
    ],
)
def test_what_it_does_not_know_is_refused_and_left_to_another(problem, algorithm, changes, words):
    shape = {key: value for key, value in changes.items() if key == "hidden"}
    settings = support.small(problem, algorithm, **shape)
    settings["algorithm"] = {**settings["algorithm"], **{k: v for k, v in changes.items() if k != "hidden"}}
    need = procedures.need(settings)
    assert words in engines.fits("lanes", need)
    assert engines.choose(need, device="cpu") != "lanes"
    with pytest.raises(engines.Unsupported, match="engine: lanes cannot train this variant"):
        engines.choose(need, "lanes")


def test_left_to_itself_the_regression_goes_into_the_lanes():
    assert engines.choose(procedures.need(support.small(REGRESSION, "cbp")), device="cpu") == "lanes"


def test_inputs_that_are_no_bits_are_an_error():
    stream = support.stream(support.small(REGRESSION, "backprop"), [0], "lanes")
    task = stream.problems[0].task(0)
    task.inputs[3, 2] = 0.5
    with pytest.raises(ValueError, match="zeros and ones"):
        stream.learner.train([task], 0)

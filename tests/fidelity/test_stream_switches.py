"""The switches of problems and procedures worked by hand: what the network is shown, and what starts afresh."""

from __future__ import annotations

import numpy as np
import pytest
from fidelity import support
from fidelity.support import DIGITS, MNIST, REGRESSION

from perennial import registry, streams
from perennial.problems import Task
from perennial.streams import Address


def slow_bits(flip: str) -> np.ndarray:
    """[task, bit]: the slow bits that the network was shown."""
    runs = support.stream(
        support.variant(REGRESSION, support.hyper("backprop"), flip=flip, length=3), [5], "stacked"
    )
    return np.array([runs.problems[0].task(k).inputs[0, :15] for k in range(3)])


def test_flip_of_one_bit():
    """The second word of each pair of tasks says which bit: floor(15 u)."""
    bits = slow_bits("one")
    for task in (1, 2):
        u = streams.uniforms(Address(streams.SEQUENCE, 5, task=task, layer=2), 1)[0]
        changed = np.flatnonzero(bits[task] != bits[task - 1])
        assert changed.tolist() == [int(15 * u)]


def test_flip_of_all_bits():
    bits = slow_bits("all")
    for task in range(3):
        drawn = streams.words(Address(streams.SEQUENCE, 5, task=task, layer=1), 15) & 1
        assert bits[task].tolist() == drawn.tolist()


def test_target_threshold_moves_the_first_error():
    """Before anything is learnt the outputs agree, so the errors differ only where the targets do."""
    found = {}
    for threshold in ("code", "paper"):
        changes = {"target_threshold": threshold, "length": 1, "measures": {"squared_error": {"every": 1}}}
        given = support.variant(REGRESSION, {"name": "backprop", "step_size": 1e-12}, **changes)
        runs = support.stream(given, [0], "stacked")
        shown = runs.problems[0].task(0)
        support.learn(runs, 0)
        error = support.values(runs)["squared_error"][0, 0]
        weights = {name: w[0] for name, w in runs.learner.state()["weights"].items()}
        hidden = runs.network.features(weights, shown.inputs[shown.order])[0]
        outputs = hidden @ weights["weight_1"][:, 0] + weights["bias_1"][0]
        assert error == pytest.approx(np.mean((outputs - shown.targets[shown.order]) ** 2), rel=1e-6)
        found[threshold] = shown.targets
    assert not np.array_equal(found["code"], found["paper"])


IMAGES = [(DIGITS, 64, 16), (MNIST, 784, 255)]  # problem, pixels, white


def shown(problem: str, index: int, **changes) -> Task:
    """Task number `index` of seed 3, of 30 images."""
    given = support.variant(problem, support.hyper("backprop"), length=3, **changes)
    return support.stream(given, [3], "stacked", 30).problems[0].task(index)


@pytest.mark.parametrize(("problem", "pixels", "white"), IMAGES)
@pytest.mark.parametrize("how", ["compound", "fresh", "none"])
def test_permutation_of_what_the_network_sees(problem, pixels, white, how):
    images = support.DATASETS[registry.module("problems", problem).DATASET](30)["images"]
    plain = images.reshape(30, pixels).astype(np.float32) / np.float32(white)
    first, second = (streams.permutation(Address(streams.SEQUENCE, 3, task=k), pixels) for k in (0, 1))
    by_hand = {"compound": plain[:, first][:, second], "fresh": plain[:, second], "none": plain}[how]
    assert np.array_equal(shown(problem, 1, permutation=how).rows(np.arange(30)), by_hand)


@pytest.mark.parametrize("changes", [{"problem": DIGITS}, {"problem": MNIST, "task_examples": 30}])
@pytest.mark.parametrize("how", ["fresh", "cyclic"])
def test_order_of_what_the_network_sees(changes, how):
    for index in (0, 2):
        by_hand = streams.permutation(Address(streams.ORDER, 3, task=0 if how == "cyclic" else index), 30)
        assert np.array_equal(shown(index=index, order=how, **changes).order, by_hand)


def test_sampling_of_what_the_network_sees():
    """Seventy of 30 images: the pass twice and a third of it, or floor(30 w / 2^32) for each word w."""
    place = Address(streams.ORDER, 3, task=1)
    once, words = streams.permutation(place, 30), streams.words(place, 70)
    by_hand = {"pass": [*once, *once, *once[:10]], "replacement": [int(w) * 30 >> 32 for w in words]}
    for how, expected in by_hand.items():
        assert shown(MNIST, 1, task_examples=70, sampling=how).order.tolist() == expected


@pytest.mark.parametrize("engine", ["fused", "stacked", "graphed"])
@pytest.mark.parametrize("reset", ["none", "network", "head"])
def test_reset_before_a_task(reset, engine):
    runs = support.stream(support.variant(REGRESSION, support.hyper("cbp"), reset=reset), [4, 9], engine)
    support.learn(runs, 0)
    before = runs.learner.state()
    seen = []
    train = runs.learner.train
    runs.learner.train = lambda *part: (seen.append(runs.learner.state()), train(*part))[1]
    support.learn(runs, 1)
    (after,) = seen  # when the second task's training begins
    if reset == "none":
        assert support.same_bits(before, after)
        return
    if reset == "network":
        for r, seed in enumerate((4, 9)):
            fresh = runs.network.init(seed, task=1, dtype="float64")
            assert all(np.array_equal(after["weights"][name][r], fresh[name]) for name in fresh)
        own = after["algorithm"]["hidden_0"]
        assert not own["age"].any() and not own["utility"].any() and not own["mean_feature"].any()
        return
    assert not after["weights"]["weight_1"].any() and not after["weights"]["bias_1"].any()
    for name in ("weight_0", "bias_0"):
        assert np.array_equal(after["weights"][name], before["weights"][name])
    assert support.same_bits(before, after, "algorithm") and before["weights"]["weight_1"].any()


def test_the_first_task_is_never_reset_to_something_else():
    one, other = (
        support.train(
            support.variant(REGRESSION, support.hyper("backprop"), reset=r, length=1), [0], "stacked"
        )
        for r in ("none", "network")
    )
    assert support.same_bits(one, other)

"""The recorder against the definition, on the CPU: whole tasks, and single steps of any loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts import tiny
from contracts.test_combinations import COMBINATIONS, hyper
from contracts.tiny import CASES, SEEDS

from perennial.learning import engines, tree
from perennial.learning.losses import NETWORK, LossSpec
from perennial.streams.clock import Clock

# Biases before a batch normalisation have no slope but rounding errors, which Adam blows up to whole steps: there is
# nothing that two ways to compute could agree on.
SINGLE = [one for one in COMBINATIONS if one != ("adam", "residual")]
OF_TASKS = [
    (algorithm, case) for algorithm, case in SINGLE if NETWORK in CASES[case].settings
]  # the others take single steps


@pytest.mark.parametrize(("algorithm", "case"), OF_TASKS)
def test_whole_tasks(algorithm, case):
    """Two tasks, the second in two pieces, and what is recorded of each step."""
    made = [CASES[case].learner(hyper(algorithm), engine) for engine in ("stacked", "recorded")]
    for index in range(2):
        tasks = [CASES[case].task(seed, index) for seed in SEEDS]
        for start, stop in ((0, 20),) if index == 0 else ((0, 7), (7, 20)):
            shown = [learner.train(tasks, index, start, stop) for learner in made]
            assert shown[0].shape == shown[1].shape and shown[1].dtype == np.float64
            np.testing.assert_allclose(*shown, rtol=1e-12, atol=1e-12)
    tiny.close(*(learner.state() for learner in made), 1e-12)
    x = CASES[case].task(4).inputs[:7]
    np.testing.assert_allclose(*(learner.predict(1, x) for learner in made), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("algorithm", "case"), SINGLE)
def test_single_steps(algorithm, case):
    """At a rate that changes from step to step."""
    made = [CASES[case].learner(hyper(algorithm), engine, tasks=False) for engine in ("stacked", "recorded")]
    loss = LossSpec(CASES[case].loss)
    for step in range(20):
        batch, clock = CASES[case].batch_of(SEEDS, step), Clock(SEEDS, 2, step)
        shown = [learner.step(loss, batch, clock, 1 / (1 + step)) for learner in made]
        np.testing.assert_allclose(*shown, rtol=1e-12, atol=1e-12)
    tiny.close(*(learner.state() for learner in made), 1e-12)


def test_losses_and_batches_in_turn():
    """Each pair of a loss and a shape has a recording of its own; a loss of one network leaves the other alone."""
    case = CASES["policy and value"]
    made = [case.learner(tiny.hyper("cbp"), engine) for engine in ("stacked", "recorded")]
    before = made[1].state()["weights"]
    for step in range(12):
        name = ("value", "policy")[step % 2]
        loss = LossSpec("squared_error" if name == "value" else "cross_entropy", {"network": name})
        batch = case.batch_of(SEEDS, step)
        if step % 3 == 0:  # two examples
            batch = {key: np.concatenate([array, array], axis=1) for key, array in batch.items()}
        if step == 4:
            assert (made[1].state()["weights"]["value.weight_0"] != before["value.weight_0"]).any()
        for learner in made:
            learner.step(loss, batch, Clock(SEEDS, 0, step))
    tiny.close(*(learner.state() for learner in made), 1e-12)
    assert len(made[1]._single) == 4


@pytest.mark.parametrize("algorithm", ["cbp", "adam", "mine"])
def test_memory_stays_where_it_is(algorithm):
    """A recording works on addresses: neither a step, nor a task, nor a new state may move anything."""
    case = CASES["online"]
    learner = case.learner(hyper(algorithm), "recorded")

    def addresses() -> list[int]:
        return [leaf.data_ptr() for _, leaf in tree.leaves(learner._states[0])]

    before = addresses()
    learner.train([case.task(seed) for seed in SEEDS], 0)
    learner.load({"weights": case.networks().init(SEEDS, 1, "float64")})
    case.walk(learner, 0, 2)
    learner.load(learner.state())
    assert addresses() == before


def test_the_steps_of_a_task_are_those_of_a_device_without_data():
    """All that a step is given lies on the device: on PyTorch's `meta`, where nothing can be read."""
    case = CASES["convolutions"]
    need, networks = case.need(tiny.hyper("cbp")), case.networks()
    learner = engines.learner("recorded", need, networks, SEEDS, "meta")
    learner.load({"weights": networks.init(SEEDS, 0, "float64")})
    learner.feed.put([case.task(seed) for seed in SEEDS], 0)
    with OnDevice():
        learner._step_of_task()


class OnDevice(torch.utils._python_dispatch.TorchDispatchMode):
    """Every tensor that an operation is given lies on the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for leaf in torch.utils._pytree.tree_leaves((args, kwargs)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == "meta", function
        return function(*args, **(kwargs or {}))


def test_it_is_taken_on_a_gpu_where_graphed_has_no_fast_path(monkeypatch):
    case = CASES["online"]
    mine, cbp = case.need({"name": "mine"}), case.need(tiny.hyper("cbp"))
    two = CASES["policy and value"].need({"name": "mine"})
    for need in (mine, two):
        assert engines.choose(need, device="cuda") == "recorded"
        assert engines.choose(need) == engines.choose(need, device="cpu") == "stacked"
    assert engines.choose(cbp, device="cuda") == "graphed" and engines.choose(cbp) == "fused"
    assert engines.choose(cbp, "recorded", "cpu") == "recorded"
    monkeypatch.setattr(engines, "cuda_here", lambda: True)
    wide = replace(mine, networks={NETWORK: {**tiny.MLP, "hidden": [engines.WIDE]}})
    assert engines.choose(wide) == "recorded" and engines.choose(mine) == "stacked"
    assert engines.device_of("recorded") == "cuda" and engines.device_of("recorded", "cpu") == "cpu"

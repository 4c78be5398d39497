"""The engine for convolutional networks against the definition: weights, velocities, what algorithms keep, and tests.

Two tasks of 25 passes of 4 mini-batches are 200 steps. In double precision the two differ by some 1e-14 after them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fidelity import passes, support
from fidelity.test_convnet import ALGORITHMS, CBP, SGD

from perennial import procedures
from perennial.dag import stage_code
from perennial.learning import engines, tree
from perennial.learning.algorithms import _renewal, cbp
from perennial.learning.engines.pooled.kernels import compiled
from perennial.learning.engines.sums import LANES, padded

POOLED = ("backprop", "l2", "shrink_and_perturb", "cbp")
SEEDS = [0, 5]


def both(settings: dict) -> tuple[dict, dict]:
    """The last states under the definition and the engine, once all that was measured is the same."""
    (state, measured), (other, other_measured) = (
        passes.finish(passes.stream(settings, SEEDS, engine)) for engine in ("stacked", "pooled")
    )
    for name in ("test_accuracy_by_epoch", "train_accuracy_by_epoch"):
        np.testing.assert_allclose(measured[name], other_measured[name], err_msg=name)
    return state, other


def renewals(monkeypatch) -> list[tuple]:
    """The units that are renewed from here on: (seed, task, step, layer, unit)."""
    seen, renew, draw, now = [], cbp.renew, _renewal.fresh_weights, []

    def watch(settings, layer, state, chosen, due, fresh):
        (clock,) = now
        for run, slot in due.nonzero().tolist():
            unit = int(chosen[run, slot])
            seen.append((clock.seeds[run], clock.task, clock.step, layer.index, unit))
        renew(settings, layer, state, chosen, due, fresh)

    def watch_draw(layers, weights, units, clock):
        now[:] = [clock]
        return draw(layers, weights, units, clock)

    monkeypatch.setattr(cbp, "renew", watch)
    monkeypatch.setattr(_renewal, "fresh_weights", watch_draw)
    return seen


# ---- the definition


@pytest.mark.parametrize("name", POOLED[:-1])
def test_double_precision_after_two_hundred_steps(name):
    one, other = both(passes.variant(ALGORITHMS[name], epochs=25))
    assert max(support.gaps(one, other).values()) < 1e-10


@pytest.mark.parametrize("name", POOLED)
def test_without_momentum_there_is_no_velocity(name):
    one, other = both(passes.variant({**ALGORITHMS[name], "momentum": 0}, length=1, epochs=10))
    assert max(support.gaps(one, other).values()) < 1e-10
    assert not other["optimiser"]


@pytest.mark.parametrize("name", POOLED)
def test_single_precision_after_twenty_steps(name):
    one, other = both(passes.variant(ALGORITHMS[name], length=1, epochs=5, precision="float32"))
    assert max(support.gaps(one, other).values()) < 1e-5


CHANGES = {
    "mature units": {"count": "eligible"},
    "coins": {"fraction": "bernoulli", "replacement_rate": 0.02},
    "more than one a step": {"fraction": "bernoulli", "replacement_rate": 0.4},
    "means into the next biases": {"bias_transfer": "on", "weight_decay": 0},
    "forgotten velocities": {"renewed_velocity": "zero"},
    "no memory": {"utility_decay": 0},
    **{
        kind: {"utility": kind}
        for kind in (
            "contribution",
            "zero_contribution",
            "adaptation",
            "weight",
            "feature_by_input",
            "random",
        )
    },
}


@pytest.mark.parametrize("name", ["as published", *CHANGES])
def test_the_same_units_are_renewed_at_the_same_steps(name, monkeypatch):
    """Two hundred steps of the published settings, fifty of the others."""
    length = {"length": 1, "epochs": 12} if name in CHANGES else {"epochs": 25}
    settings = passes.variant({**CBP, **CHANGES.get(name, {})}, **length)
    seen = renewals(monkeypatch)
    runs = [passes.stream(settings, SEEDS, engine) for engine in ("stacked", "pooled")]
    found = []
    for stream in runs:
        seen.clear()
        state, _ = passes.finish(stream)
        found.append((sorted(seen), state))
    (units, one), (others, other) = found
    assert units == others
    assert {layer for *_, layer, _ in units} == set(range(5)) and len(units) > (
        30 if name in CHANGES else 200
    )
    assert max(support.gaps(one, other).values()) < 1e-10


def test_tests_are_those_of_the_definition():
    """Also of more examples than are predicted at once."""
    settings = passes.variant(SGD, length=1, precision="float32")
    runs = passes.stream(settings, SEEDS, "pooled")
    support.learn(runs, 0)
    x = np.concatenate([problem.task(0).inputs for problem in runs.problems] * 4)[:130]
    state = runs.learner.state()
    definition = passes.stream(settings, SEEDS).learner
    definition.load(state)
    for r in range(2):
        np.testing.assert_allclose(runs.learner.predict(r, x), definition.predict(r, x), rtol=1e-5, atol=1e-6)
    after = runs.learner.state()
    assert all(support.same_bits(after, state, branch) for branch in ("weights", "optimiser"))


# ---- kernels


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("side", "i", "o", "kernel"), [(32, 3, 32, 5), (14, 32, 64, 3), (6, 64, 128, 3), (7, 5, 3, 3)]
)
def test_kernels_are_autograd(side, i, o, kernel, precision):
    """At the published shapes, and at one that fills no vector and leaves a row and a column out of the pooling."""
    torch.manual_seed(side)
    x, w = torch.randn(4, i, side, side, dtype=precision), torch.randn(o, i, kernel, kernel, dtype=precision)
    b = torch.randn(o, dtype=precision)
    for leaf in (x, w, b):
        leaf.requires_grad_()
    sums = torch.nn.functional.conv2d(x, w, b)
    right = torch.nn.functional.max_pool2d(sums.relu(), 2)
    delta = torch.randn_like(right)
    right.backward(delta)
    last = (0, 2, 3, 1)  # channels last
    h, corner = (np.zeros(right.permute(*last).shape, t) for t in (x.detach().numpy().dtype, np.uint8))
    pool, of_filters, of_images = compiled(side, side, i, kernel)
    pool(sums.detach().permute(*last).contiguous().numpy(), h, corner)
    assert np.array_equal(h, right.detach().permute(*last).numpy())

    length, places = padded(kernel * i), h.shape[1] * h.shape[2]
    images = np.concatenate([x.detach().permute(*last).numpy().ravel(), np.full(LANES, 7, h.dtype)])
    back, filters, biases = (
        np.empty_like(images),
        np.empty(o * kernel * length, h.dtype),
        np.empty(o, h.dtype),
    )
    given = delta.permute(*last).contiguous().numpy(), h, corner
    of_filters(images, *given, filters, biases, *room(o, places, h.dtype))
    rows = filters.reshape(o, kernel, length)[:, :, : kernel * i]
    tolerance = {"rtol": 1e-5, "atol": 2e-3} if precision == torch.float32 else {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(rows.reshape(o, kernel, kernel, i), w.grad.permute(*last), **tolerance)
    np.testing.assert_allclose(biases, b.grad, **tolerance)

    flat = np.zeros((o, kernel, length), h.dtype)
    flat[:, :, : kernel * i] = w.detach().permute(*last).reshape(o, kernel, -1)
    of_images(flat.ravel(), back, *given, *room(4, o, h.dtype))
    np.testing.assert_allclose(back[:-LANES].reshape(4, side, side, i), x.grad.permute(*last), **tolerance)


def room(lists: int, length: int, dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.empty((lists, length + 1), np.int64),
        np.empty((lists, length + 1), dtype),
        np.empty(lists, np.int64),
    )


def test_pooling_takes_the_first_of_equals_and_keeps_what_is_no_number():
    sums = np.array(
        [[[1, 1], [1, 0]], [[-1, -2], [-3, -4]], [[0, 2], [2, 2]], [[np.nan] * 2] * 2], np.float32
    )
    h, corner = np.ones((4, 1, 1, 1), np.float32), np.full((4, 1, 1, 1), 9, np.uint8)
    compiled(32, 32, 3, 5).pool(sums[..., None], h, corner)
    assert h.ravel()[:3].tolist() == [1, 0, 2] and np.isnan(h.ravel()[3])
    assert corner.ravel()[:3].tolist() == [0, 0, 1]


# ---- blocks, cuts and choices


@pytest.mark.parametrize("name", POOLED)
def test_neither_block_nor_cut_matters(name):
    """To the last bit: alone or among others, in one go or taken up again from a state in the middle of a task."""
    settings = passes.variant(ALGORITHMS[name], precision="float32")
    whole, measured = passes.finish(passes.stream(settings, [7, 0, 5], "pooled"))
    runs = passes.stream(settings, [5], "pooled")
    support.learn(runs, 0)
    pieces = runs.pieces_of(1)
    next(pieces)
    again = passes.stream(settings, [5], "pooled")
    again.restore(runs.snapshot())
    part, also = passes.finish(again)
    mine = tree.run_of(whole, 2)
    assert all(also[name][0].tobytes() == measured[name][2].tobytes() for name in measured)
    assert all(support.same_bits(mine, part, branch) for branch in ("weights", "optimiser", "algorithm"))


def test_a_task_can_be_cut_at_any_step():
    runs = [passes.stream(passes.variant(CBP, precision="float32"), [3], "pooled") for _ in range(2)]
    task = runs[0]._task(runs[0].problems[0], 0)
    whole = runs[0].learner.train([task], 0)
    parts = [runs[1].learner.train([replace(task)], 0, *piece) for piece in ((0, 5), (5, 6), (6, task.steps))]
    assert np.array_equal(whole, np.concatenate(parts, axis=1))
    one, other = (stream.learner.state() for stream in runs)
    assert all(support.same_bits(one, other, branch) for branch in ("weights", "optimiser", "algorithm"))


def test_choice():
    for name in POOLED:
        assert engines.choose(procedures.need(passes.variant(ALGORITHMS[name]))) == "pooled"
    assert engines.choose(procedures.need(passes.variant(SGD)), "stacked") == "stacked"
    assert engines.device_of("pooled") == "cpu"
    for name in ("adam", "dropout"):
        assert engines.choose(procedures.need(passes.variant(ALGORITHMS[name]))) == "stacked"
        with pytest.raises(engines.Unsupported, match=f"algorithm '{name}' has no file in engines/pooled"):
            engines.choose(procedures.need(passes.variant(ALGORITHMS[name])), "pooled")
    on_adam = {"name": "cbp", "step_size": 0.001, "optimiser": "adam", "replacement_rate": 0.01}
    assert engines.choose(procedures.need(passes.variant(on_adam))) == "stacked"
    linear = passes.variant(SGD, network={"name": "mlp", "hidden": []})
    assert engines.choose(procedures.need(linear)) == "stacked"
    with pytest.raises(engines.Unsupported, match=r"engine: pooled .* network 'mlp' \(it knows: convnet\)"):
        engines.choose(procedures.need(linear), "pooled")
    with pytest.raises(engines.Unsupported, match="engine pooled runs on the CPU only"):
        engines.device_of("pooled", "cuda")


def test_only_the_engines_of_a_network_belong_to_a_run_s_code():
    modules = stage_code.train_modules(passes.variant(CBP))
    assert (
        "perennial.learning.engines.pooled.cbp" in modules
        and "perennial.learning.engines.fused.cbp" not in modules
    )
    modules = stage_code.train_modules(
        support.variant(support.DIGITS, support.hyper("cbp")) | {"procedure": {"name": "task_stream"}}
    )
    assert (
        "perennial.learning.engines.pooled.cbp" not in modules
        and "perennial.learning.engines.fused.cbp" in modules
    )

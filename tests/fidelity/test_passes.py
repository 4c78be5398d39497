"""What happens between the passes over a task: resets, measures, jobs; and what cannot be."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from fidelity import passes, support
from fidelity.passes import CONVNET

from perennial import procedures, registry, streams
from perennial.files import store
from perennial.jobs import outcome, sequences, training
from perennial.learning import engines
from perennial.learning.algorithms import cbp
from perennial.learning.networks import convnet
from perennial.procedures import task_epochs, task_stream
from perennial.settings import Unfit

SGD = {"name": "backprop", "step_size": 0.05, "momentum": 0.9}
LINEAR = {"name": "mlp", "hidden": []}
ONLINE = {**passes.variant(SGD), "procedure": {"name": "task_stream"}}


def starts(settings: dict) -> tuple[list[dict], list[dict]]:
    """States when the training of each task begins, and when it has ended."""
    runs = passes.stream(settings, [4, 9])
    begun, ended, train = [], [], runs.learner.train

    def watch(tasks, index, start, stop):
        if start == 0:
            begun.append(runs.learner.state())
        return train(tasks, index, start, stop)

    runs.learner.train = watch
    for index in range(settings["length"]):
        support.learn(runs, index)
        ended.append(runs.learner.state())
    return begun, ended


# ---- switches


@pytest.mark.parametrize("reset", ["head", "network", "none"])
def test_reset_before_a_task(reset):
    algorithm = {
        "name": "cbp",
        "step_size": 0.05,
        "momentum": 0.9,
        "replacement_rate": 0.01,
        "maturity_threshold": 2,
    }
    begun, ended = starts(passes.variant(algorithm, reset=reset))
    net = convnet.Network(convnet.Settings(channels=[4, 6, 8], hidden=[10, 7]), 3072, 2, (3, 32, 32))
    fresh = [[net.init(seed, task, "float64") for seed in (4, 9)] for task in (0, 1)]
    head = ("weight_5", "bias_5")
    for name in net.names:
        first = begun[0]["weights"][name]
        zero = reset == "head" and name in head
        assert not first.any() if zero else all(np.array_equal(first[r], fresh[0][r][name]) for r in range(2))
        if reset == "network":
            assert all(np.array_equal(begun[1]["weights"][name][r], fresh[1][r][name]) for r in range(2))
        elif not zero:
            assert np.array_equal(begun[1]["weights"][name], ended[0]["weights"][name])
    if reset == "network":
        assert not any(values.any() for _, values in support.leaves(begun[1]["optimiser"]))
        assert not begun[1]["algorithm"]["hidden_0"]["age"].any()
        return
    assert all(support.same_bits(begun[1], ended[0], branch) for branch in ("optimiser", "algorithm"))
    if reset == "head":
        assert not any(begun[1]["weights"][name].any() for name in head)
        assert all(ended[0]["weights"][name].any() for name in head)


@pytest.mark.parametrize("algorithm", [SGD, {"name": "adam", "step_size": 0.001}])
@pytest.mark.parametrize("kept", ["kept", "zero"])
def test_head_velocity(kept, algorithm):
    begun, ended = starts(passes.variant(algorithm, head_velocity=kept))
    before, after = (dict(support.leaves(state["optimiser"])) for state in (ended[0], begun[1]))
    for path, values in after.items():
        if kept == "zero" and path.endswith("_5"):
            assert not values.any() and before[path].any()
        else:
            assert np.array_equal(values, before[path])


@pytest.mark.parametrize("kept", ["kept", "zero"])
def test_renewed_velocity(kept, monkeypatch):
    """Velocities of a unit's incoming weights, bias and outgoing weights, just before and after it is renewed."""
    seen, renew = [], cbp.renew

    def watch(settings, layer, state, chosen, due, fresh):
        memory = state["optimiser"]["velocity"]
        units = layer.units(memory)
        own = [
            array[run, int(chosen[run, slot])]
            for run, slot in due.nonzero().tolist()
            for array in (units.incoming, units.affine[0][0], units.outgoing[0])
        ]
        before = [part.clone() for part in own]
        whole = {name: values.clone() for name, values in memory.items()}
        renew(settings, layer, state, chosen, due, fresh)
        if kept == "zero":
            assert not any(part.any() for part in own)
            for part, old in zip(own, before, strict=True):
                part.copy_(old)
        assert all(np.array_equal(memory[name], whole[name]) for name in memory)
        seen.append((layer.index, any(part.any() for part in before)))

    monkeypatch.setattr(cbp, "renew", watch)
    algorithm = {
        "name": "cbp", "step_size": 0.05, "momentum": 0.9, "replacement_rate": 0.3, "maturity_threshold": 2,
        "renewed_velocity": kept,
    }  # fmt: skip
    starts(passes.variant(algorithm, length=1))
    assert {layer for layer, moved in seen if moved} == set(range(5))


# ---- what is shown, and what is measured


def test_a_task_is_shown_pass_by_pass_each_in_an_order_of_its_own():
    runs = passes.stream(passes.variant(SGD), [3])
    task = runs._task(runs.problems[0], 1)
    assert (task.batch, task.steps, len(task.order)) == (5, 12, 60)
    for epoch, order in enumerate(task.order.reshape(3, 20)):
        place = streams.Address(streams.ORDER, 3, task=1, step=epoch)
        assert np.array_equal(order, streams.permutation(place, 20))
    assert runs._piece(task.steps) == 4


def test_measures_are_binned_or_taken_of_every_so_many_tasks():
    settings = passes.variant(SGD, length=5, precision="float32", epochs=2)
    _, every = passes.finish(passes.stream(settings, [0, 1]))
    settings["measures"] = {name: {"every": 2} for name in settings["measures"]}
    runs = passes.stream(settings, [0, 1])
    _, some = passes.finish(runs)
    for name in ("test_accuracy", "online_accuracy"):
        assert every[name].shape == (2, 5)
        np.testing.assert_allclose(some[name], every[name][:, :4].reshape(2, 2, 2).mean(axis=2))
    for name in ("test_accuracy_by_epoch", "train_accuracy_by_epoch"):
        assert every[name].shape == (2, 5, 2) and np.array_equal(some[name], every[name][:, ::2])
    np.testing.assert_allclose(every["train_accuracy_by_epoch"].mean(axis=2), every["online_accuracy"])
    assert np.array_equal(every["test_accuracy_by_epoch"][:, :, -1], every["test_accuracy"])
    (found,) = (one for one in runs.results() if one.name == "test_accuracy_by_epoch")
    assert found.axis == "task" and [run.tolist() for run in found.positions] == [[1, 3, 5]]
    assert {axis: values.tolist() for axis, values in found.axes.items()} == {"epoch": [1, 2]}
    assert not found.ragged


def test_dropout_is_off_in_tests():
    """With a step size of next to nothing the tests see the first network, units left out or not."""
    still = {"step_size": 1e-300, "momentum": 0.9}
    found = []
    for algorithm in ({"name": "dropout", "probability": 0.5, **still}, {"name": "backprop", **still}):
        settings = passes.variant(algorithm, reset="none", length=3)
        found.append(passes.finish(passes.stream(settings, [1, 2]))[1])
    assert np.array_equal(found[0]["test_accuracy_by_epoch"], found[1]["test_accuracy_by_epoch"])
    assert not np.array_equal(found[0]["online_accuracy"], found[1]["online_accuracy"])


@pytest.mark.parametrize("engine", ["stacked", "pooled", "graphed"])
def test_a_job_counts_its_steps_and_writes_all_measures(engine, tmp_path):
    settings, seeds = passes.variant(SGD, precision="float32"), [3, 5]
    sequences.make_block(settings, seeds, tmp_path / "sequences.h5")
    data = tmp_path / "images.h5"
    store.write(data, lambda file: [file.create_dataset(k, data=v) for k, v in passes.images().items()])
    training.train_block(
        settings, seeds, tmp_path / "runs.h5", sequences=[tmp_path / "sequences.h5"], dataset=data,
        checkpoints=tmp_path / "checkpoints", checkpoint_seconds=0, engine=engine, device="cpu", threads=2,
    )  # fmt: skip
    state, measured = passes.finish(passes.stream(settings, seeds, engine))
    with h5py.File(tmp_path / "runs.h5") as file:
        assert file.attrs["run_steps"] == 2 * 2 * 12 and file.attrs["engine"] == engine
        for r, seed in enumerate(seeds):
            group = file[f"seed_{seed:04d}"]
            assert group.attrs["state_sha256"] == outcome.digest(state, r)
            assert all(np.array_equal(group[name], measured[name][r]) for name in measured)
            assert json.loads(group["test_accuracy_by_epoch"].attrs["axes"]) == ["task", "epoch"]


# ---- what cannot be


@pytest.mark.parametrize(
    ("wanted", "settings", "words"),
    [
        ("fused", ONLINE, r"no fast path for network 'convnet' \(it knows: mlp\)"),
        ("fused", passes.variant(SGD), r"it takes one example a step \(batch: 5\)"),
        ("fused", passes.variant(SGD, network=LINEAR, batch_size=1), "it learns a task in one pass"),
        (
            "pooled",
            passes.variant(SGD, network=LINEAR),
            r"no fast path for network 'mlp' \(it knows: convnet\)",
        ),
    ],
)
def test_compiled_engines_say_what_they_cannot(wanted, settings, words):
    with pytest.raises(engines.Unsupported, match=words):
        engines.choose(procedures.need(settings), wanted)


@pytest.mark.parametrize("algorithm", sorted(set(support.SHIPPED) - {"adam"}))
@pytest.mark.parametrize("engine", ["fused", "graphed"])
def test_compiled_engines_have_no_momentum(algorithm, engine):
    settings = support.variant(support.DIGITS, {**support.hyper(algorithm), "momentum": 0.5})
    with pytest.raises(engines.Unsupported, match=r"momentum has no|has no file in"):
        engines.choose(procedures.need(settings), engine)


def one_line(make, *words: str) -> None:
    with pytest.raises(Unfit) as caught:
        make()
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_settings_that_do_not_fit_end_in_one_line():
    settings = passes.variant(SGD, batch_size=7)
    words = ("batch_size: 7 does not divide the 20", "problem.train_per_class")
    one_line(lambda: passes.stream(settings, [0]), *words)
    one_line(lambda: task_epochs.cost(settings), *words)
    assert task_epochs.cost(passes.variant(SGD)).steps == 2 * 12
    assert task_stream.cost(ONLINE).steps == 2 * 20

    digits = support.variant(support.DIGITS, SGD)
    in_passes = {**digits, "procedure": {"name": "task_epochs"}}
    words = ("'permuted_digits' has no passes and tests", "allowed: procedure: task_stream")
    one_line(lambda: task_epochs.cost(in_passes), *words)
    permutations = registry.module("problems", support.DIGITS).sequence(
        registry.parse("problems", digits["problem"]), 0, 2
    )
    group = procedures.Group(in_passes, [0], [permutations], support.digits())
    one_line(lambda: task_epochs.start(group), *words)
    digits["measures"] = {"test_accuracy": {"every": 1}}
    one_line(lambda: support.stream(digits, [0], "stacked"), "test_accuracy: there are no tests")
    digits = {**digits, "measures": {}, "network": CONVNET}
    one_line(lambda: support.stream(digits, [0], "stacked"), "are no images (allowed: network: mlp)")
    deep = passes.variant(SGD, network={"name": "convnet", "channels": [4] * 4})
    one_line(lambda: passes.stream(deep, [0]), "4 convolutions are too many for images of 32x32", "at most 3")
    other = passes.variant({"name": "online_normalisation", "step_size": 0.01})
    one_line(lambda: passes.stream(other, [0]), "online_normalisation", "network: mlp")


@pytest.mark.parametrize("name", ["cbp", "shrink_and_perturb"])
def test_momentum_on_adam_is_a_mistake(name):
    algorithm = {**support.hyper(name), "optimiser": "adam", "momentum": 0.9}
    with pytest.raises(ValueError, match="momentum is not allowed with optimiser: adam"):
        registry.parse("algorithms", algorithm)


def test_a_channel_is_dead_when_it_is_silent_at_every_place():
    runs = passes.stream(passes.variant(SGD, measures=("dead_units",), length=1), [4])
    state = runs.learner.state()
    for name, wanted in {"bias_0": 1, "bias_2": 3, "bias_4": 7}.items():
        state["weights"][name][0, :wanted] = -1e3  # nothing wakes these
    state["weights"]["bias_0"][0, 3] = state["weights"]["bias_2"][0, 3] = 1e3
    runs.learner.load(state)
    _, measured = passes.finish(runs)
    first, _, third, _, last = measured["dead_units"][0, 0]
    assert 25 <= first < 100 and first % 25 == 0 and 37.5 <= third < 100 and third % 12.5 == 0 and last == 100

"""The graphed engine in mini-batches against the definition: weights, velocities, what algorithms keep, and tests.

On a CPU its step runs as it stands; on a GPU, where there is one, the same tests replay it as a graph. Two tasks of 25
passes of 4 mini-batches are 200 steps.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from fidelity import passes, support
from fidelity.test_convnet import ALGORITHMS, CBP, LINEAR, ONE_HIDDEN, SGD
from fidelity.test_graphed import OnDevice
from fidelity.test_pooled import CHANGES
from fidelity.test_resume import through_a_file
from requirements import require_or_skip

from perennial import procedures
from perennial.dag import stage_code
from perennial.learning import engines, tree
from perennial.learning.engines.graphed import replay
from perennial.learning.engines.graphed.batches import convolution

GRAPHED = ("backprop", "l2", "shrink_and_perturb", "cbp")
SEEDS = [0, 5]


@pytest.fixture(params=engines.DEVICES)
def device(request):
    """Every device that is here."""
    if request.param == "cuda":
        require_or_skip("cuda", torch.cuda.is_available(), "PyTorch finds no CUDA device here")
    return request.param


def graphed(settings: dict, seeds: list[int], device: str = "cpu"):
    return passes.stream(settings, seeds, "graphed", device)


def agree(settings: dict, device: str, tolerance: float = 1e-10) -> None:
    """Assert that engine and definition measure the same and end in the same state."""
    one, measured = passes.finish(passes.stream(settings, SEEDS))
    other, other_measured = passes.finish(graphed(settings, SEEDS, device))
    assert max(support.gaps(one, other).values()) < tolerance
    for name, values in measured.items():
        np.testing.assert_allclose(other_measured[name], values, err_msg=name)


# ---- the definition


@pytest.mark.parametrize("momentum", [0.9, 0])
@pytest.mark.parametrize("name", GRAPHED)
def test_double_precision_after_two_hundred_steps(name, momentum, device):
    agree(passes.variant({**ALGORITHMS[name], "momentum": momentum}, epochs=25), device)


@pytest.mark.parametrize("formulation", convolution.FORMULATIONS)
def test_every_formulation(formulation, device, monkeypatch):
    monkeypatch.setattr(convolution, "FORMULATION", formulation)
    agree(passes.variant(CBP, epochs=25), device)


@pytest.mark.parametrize("name", GRAPHED)
def test_single_precision_after_twenty_steps(name, device):
    settings = passes.variant(ALGORITHMS[name], length=1, epochs=5, precision="float32")
    one, _ = passes.finish(passes.stream(settings, SEEDS))
    other, _ = passes.finish(graphed(settings, SEEDS, device))
    assert max(support.gaps(one, other).values()) < 1e-5


def renewals(stream) -> list[tuple]:
    """All (task, step, layer, run, unit) that are renewed, in runs that are trained to their end step by step."""
    seen = []
    for index in range(stream.settings["length"]):
        tasks = [stream._task(problem, index) for problem in stream.problems]
        stream._begin(index)
        for step in range(tasks[0].steps):
            stream.learner.train(tasks, index, step, step + 1)
            for layer, own in stream.learner.state()["algorithm"].items():
                seen += [(index, step, layer, *place) for place in np.argwhere(own["age"] == 0).tolist()]
    return seen


@pytest.mark.parametrize("name", ["as published", *CHANGES])
def test_the_same_units_are_renewed_at_the_same_steps(name, device):
    settings = passes.variant({**CBP, **CHANGES.get(name, {})}, epochs=25)
    one, other = passes.stream(settings, SEEDS), graphed(settings, SEEDS, device)
    units = renewals(one)
    assert units == renewals(other)
    assert {layer for _, _, layer, _, _ in units} == {f"hidden_{n}" for n in range(5)} and len(units) > 100
    assert max(support.gaps(one.learner.state(), other.learner.state()).values()) < 1e-10


@pytest.mark.parametrize("network", [LINEAR, ONE_HIDDEN], ids=["linear", "one hidden layer"])
@pytest.mark.parametrize("name", GRAPHED)
def test_fully_connected(name, network, device):
    agree(passes.variant(ALGORITHMS[name], network=network, epochs=5), device)


@pytest.mark.parametrize("reset", ["network", "none"])
def test_resets(reset, device):
    agree(passes.variant(CBP, reset=reset, length=3), device)


def test_tests_are_those_of_the_definition(device):
    """Also of more examples than are predicted at once; asked again, the inputs are still on the device."""
    stream = graphed(passes.variant(SGD, length=1), SEEDS, device)
    support.learn(stream, 0)
    x = np.concatenate([problem.task(0).inputs for problem in stream.problems] * 4)[:130]
    definition = passes.stream(passes.variant(SGD, length=1), SEEDS).learner
    definition.load(stream.learner.state())
    for r in (0, 1, 0):
        right = definition.predict(r, x.astype(np.float64))
        np.testing.assert_allclose(stream.learner.predict(r, x), right, rtol=1e-10, atol=1e-12)
    other = x[::-1].copy()
    assert np.allclose(stream.learner.predict(0, other), stream.learner.predict(0, x)[::-1])


# ---- formulations


@pytest.mark.parametrize("formulation", convolution.FORMULATIONS)
@pytest.mark.parametrize(
    ("side", "i", "o", "kernel"), [(32, 3, 32, 5), (14, 32, 64, 3), (6, 64, 128, 3), (7, 5, 3, 3)]
)
def test_formulations_and_their_gradients(formulation, side, i, o, kernel, device):
    """At the published shapes, and at one that leaves a row and a column out of the pooling."""
    generator = torch.Generator().manual_seed(side)
    shapes = (3, 2, i, side, side), (3, o, i, kernel, kernel), (3, o)
    arrays = [torch.randn(shape, dtype=torch.float64, generator=generator).to(device) for shape in shapes]
    found = []
    for way in (convolution.FORMULATIONS[formulation], convolution.apart):
        leaves = [array.clone().requires_grad_() for array in arrays]
        pooled = way(*leaves)
        found.append([pooled, *torch.autograd.grad((pooled**2).sum(), leaves)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-9)


# ---- blocks and cuts


@pytest.mark.parametrize("name", GRAPHED)
def test_neighbours_hardly_matter(name, device):
    """Stacks of 4, 2 and 1 end alike but for rounding, which libraries do otherwise for other sizes."""
    settings = passes.variant(ALGORITHMS[name], epochs=25, length=1)
    ends = {}
    for seeds in ([0, 1, 2, 3], [3, 1], [2]):
        state, _ = passes.finish(graphed(settings, seeds, device))
        for r, seed in enumerate(seeds):
            ends.setdefault(seed, []).append(tree.run_of(state, r))
    for seed in (1, 2, 3):
        assert max(support.gaps(*ends[seed]).values()) < 1e-10, seed


@pytest.mark.parametrize("name", GRAPHED)
def test_a_cut_changes_no_bit(name, device, tmp_path):
    settings = passes.variant(ALGORITHMS[name], precision="float32")
    whole = passes.finish(graphed(settings, SEEDS, device))
    stream = graphed(settings, SEEDS, device)
    support.learn(stream, 0)
    next(stream.pieces_of(1))
    again = graphed(settings, SEEDS, device)
    again.restore(through_a_file(stream.snapshot(), tmp_path / "cut.h5"))
    state, measured = passes.finish(again)
    branches = ("weights", "optimiser", "algorithm")
    assert all(support.same_bits(state, whole[0], branch) for branch in branches)
    assert all(np.array_equal(measured[name], values) for name, values in whole[1].items())


@pytest.mark.parametrize("order", [("graphed", "stacked"), ("stacked", "graphed"), ("graphed", "pooled")])
def test_state_moves_between_engines(order):
    settings = passes.variant(CBP)
    first, second = (passes.stream(settings, SEEDS, engine) for engine in order)
    support.learn(first, 0)
    second.restore(first.snapshot())
    whole, _ = passes.finish(passes.stream(settings, SEEDS))
    assert max(support.gaps(passes.finish(second)[0], whole).values()) < 1e-10


# ---- data


@pytest.mark.parametrize("centring", ["mean_image", "channel_mean", "none"])
def test_images_are_held_as_bytes_and_centred_as_the_problem_does(centring, device):
    """To the last bit; and once for all runs and tasks."""
    settings = passes.variant(SGD, precision="float32")
    settings["problem"]["centring"] = centring
    stream, kept = graphed(settings, SEEDS, device), []
    for index in range(2):
        tasks = [stream._task(problem, index) for problem in stream.problems]
        feed = stream.learner.feed
        feed.put(tasks, index)
        kept.append(feed.buffers["table"])
        for step in (0, 11):
            feed.step.fill_(step)
            x, targets = feed.take()
            for r, task in enumerate(tasks):
                rows = task.order[step * task.batch : (step + 1) * task.batch]
                assert np.array_equal(x[r].cpu().numpy(), task.rows(rows))
                assert np.array_equal(targets[r].cpu().numpy(), task.targets[rows])
    fresh = stream._task(stream.problems[0], 1)
    stream.learner.train([fresh, fresh], 1, 0, 4)
    assert "array" not in vars(fresh.table)  # the engine has no need of it
    assert kept[0] is kept[1] and kept[0].dtype == torch.uint8 and len(kept[0]) == 6 * 16


def test_images_that_are_mapped_into_memory():
    """Such an array cannot be written to; PyTorch warns of those."""
    images = passes.images()["images"].copy()
    images.flags.writeable = False
    stream = graphed(passes.variant(SGD), SEEDS)
    tasks = [stream._task(problem, 0) for problem in stream.problems]
    tasks = [replace(task, table=replace(task.table, images=images)) for task in tasks]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.learner.feed.put(tasks, 0)


def test_tables_of_any_origin(device):
    """Without images that tasks share, tables are copied task by task."""
    settings = passes.variant(SGD)
    states = []
    for bare in (True, False):
        stream = graphed(settings, SEEDS, device)
        for index in range(2):
            tasks = [stream._task(problem, index) for problem in stream.problems]
            shown = [replace(task, table=task.inputs) for task in tasks] if bare else tasks
            stream.learner.train(shown, index)
        states.append(stream.learner.state())
    assert max(support.gaps(*states).values()) < 1e-12


# ---- what a graph needs


STEPS = {name: ALGORITHMS[name] for name in GRAPHED} | {
    name: {**CBP, **changes} for name, changes in CHANGES.items()
}


@pytest.mark.parametrize("formulation", convolution.FORMULATIONS)
@pytest.mark.parametrize("name", STEPS)
def test_a_step_never_waits_for_the_device(name, formulation, monkeypatch):
    """See test_graphed.py: on PyTorch's device without data, with nothing taken from the host."""
    if formulation != "grouped" and name != "cbp":
        pytest.skip("the formulation has nothing to do with the algorithm")
    monkeypatch.setattr(convolution, "FORMULATION", formulation)
    settings = passes.variant(STEPS[name])
    stream = passes.stream(settings, SEEDS)
    trainer = engines.learner("graphed", procedures.need(settings), stream.networks, SEEDS, "meta")
    trainer.load(stream.learner.state())
    trainer.feed.put([stream._task(problem, 0) for problem in stream.problems], 0)
    with torch.no_grad(), OnDevice():
        trainer._replay.step()


@pytest.mark.parametrize("name", GRAPHED)
def test_memory_stays_where_it_is(name):
    """A recorded graph works on addresses: neither a piece, nor a task, nor a new state may move anything."""
    stream = graphed(passes.variant(ALGORITHMS[name]), SEEDS)
    trainer = stream.learner

    def addresses() -> list[int]:
        flat = [kind.whole for kind in trainer._memory.values()]
        stack = trainer._replay.step.stack
        tensors = [leaf for _path, leaf in support.leaves(trainer._state)]
        tensors += [*flat, stack.gradients.whole, *trainer.feed.buffers.values()]
        return [tensor.data_ptr() for tensor in (*tensors, trainer.feed.step, trainer.feed.task)]

    pieces = stream.pieces_of(0)
    next(pieces)
    before = addresses()
    for _ in pieces:
        assert addresses() == before
    next(stream.pieces_of(1))  # loads a state with a head from zero
    assert addresses() == before


class Counted(replay.Replay):
    """Replays without a GPU: of a graph it keeps only how many steps it holds."""

    def __init__(self) -> None:
        super().__init__(self._one, "cuda")
        self.done, self.recorded, self.warm_up = 0, [], 0

    def _one(self) -> None:
        self.done += 1

    def _beside(self, steps: int) -> None:
        self.warm_up += steps
        self._singly(steps)

    def _record(self, steps: int):
        self.recorded.append(steps)
        return type("Graph", (), {"replay": lambda _: self._singly(steps)})()


@pytest.mark.parametrize(
    ("pieces", "recorded"),
    [
        ([12] * 5, [12]),  # a pass of Continual ImageNet
        ([3000, 3000], [64]),
        ([1, 1, 1], [1]),
        ([66, 66], [64]),
        ([12, 5, 30], [5]),  # the first piece warms up, the second is recorded
        ([0, 7, 7], [7]),
    ],
)
def test_every_step_is_done_once(pieces, recorded):
    steps = Counted()
    for number, piece in enumerate(pieces):
        steps.run(piece)
        assert steps.done == sum(pieces[: number + 1])
    assert steps.recorded == recorded and steps.warm_up > 0
    steps.forget()
    steps.run(20)
    assert steps.recorded == [*recorded, 20] and steps.done == sum(pieces) + 20


# ---- choices


def test_choice(monkeypatch):
    wide = passes.variant(SGD)
    monkeypatch.setattr(engines, "cuda_here", lambda: True)
    for name in GRAPHED:
        settings = passes.variant(ALGORITHMS[name])
        assert (
            engines.choose(procedures.need(settings)) == "graphed"
            and engines.choose(procedures.need(settings), device="cpu") == "pooled"
        )
    assert engines.device_of("graphed") == "cuda" and engines.device_of("graphed", "cpu") == "cpu"
    linear = passes.variant(SGD, network=LINEAR)
    assert engines.choose(procedures.need(linear)) == "stacked"  # too small, unless asked for
    assert (
        engines.choose(procedures.need(linear), device="cuda")
        == engines.choose(procedures.need(linear), "graphed")
        == "graphed"
    )
    on_adam = passes.variant(
        {"name": "cbp", "step_size": 0.001, "optimiser": "adam", "replacement_rate": 0.01}
    )
    for settings, words in (
        (passes.variant(ALGORITHMS["adam"]), "algorithm 'adam' has no file in engines/graphed/batches"),
        (on_adam, r"no fast path for optimiser 'adam' \(it knows: sgd\)"),
    ):
        need = procedures.need(settings)
        assert engines.choose(need) == engines.choose(need, device="cuda") == "recorded"
        with pytest.raises(engines.Unsupported, match=words):
            engines.choose(need, "graphed")
    online = {**wide, "procedure": {"name": "task_stream"}}
    with pytest.raises(engines.Unsupported, match=r"no fast path for network 'convnet' \(it knows: mlp\)"):
        engines.choose(procedures.need(online), "graphed")
    monkeypatch.setattr(engines, "cuda_here", lambda: False)
    assert engines.choose(procedures.need(wide)) == "pooled"


def test_only_the_parts_of_a_procedure_belong_to_a_run_s_code():
    modules = stage_code.train_modules(passes.variant(CBP))
    assert "perennial.learning.engines.graphed.batches.cbp" in modules
    assert "perennial.learning.engines.graphed.cbp" not in modules
    online = stage_code.train_modules(support.variant(support.DIGITS, support.hyper("cbp")))
    assert "perennial.learning.engines.graphed.batches.cbp" not in online

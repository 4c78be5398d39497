"""The graphed engine: equal to the definition, and a run's bits do not depend on its neighbours.

On a CPU its step runs as it stands; on a GPU, where there is one, the same tests replay it as a graph.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fidelity import support
from fidelity.support import DIGITS, REGRESSION
from requirements import require_or_skip
from torch.utils._python_dispatch import TorchDispatchMode

from perennial import procedures, registry, streams
from perennial.learning import engines
from perennial.learning.algorithms import Clock
from perennial.problems import Task
from perennial.streams import tensors

ALGORITHMS = [name for name in registry.names("algorithms") if engines.fast_path("graphed", name)]
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")
# What continual backpropagation can be asked for; rates so high that several units are renewed in a step.
CBP = {
    "several": {"replacement_rate": 0.3, "maturity_threshold": 3},
    "bernoulli": {"fraction": "bernoulli", "replacement_rate": 0.05},
    "several bernoulli": {"fraction": "bernoulli", "replacement_rate": 0.5, "maturity_threshold": 3},
    "layer_width": {"count": "layer_width"},
    "bias_transfer": {"bias_transfer": "on"},
    "weight_decay": {"weight_decay": 0.01},
    "adam": {"optimiser": "adam", "step_size": 0.001},
    "gnt_bug": {"optimiser": "adam", "step_size": 0.001, "adam_bias_correction": "gnt_bug"},
    **{f"utility {kind}": {"utility": kind} for kind in (
        "contribution", "zero_contribution", "adaptation", "weight", "feature_by_input", "random",
    )},
}  # fmt: skip


@pytest.fixture(params=engines.DEVICES)
def device(request):
    """Every device that is here."""
    if request.param == "cuda":
        require_or_skip("cuda", torch.cuda.is_available(), "PyTorch finds no CUDA device here")
    return request.param


def small(**changes) -> dict:
    """CBP on the regression with two hidden layers of 5 and 4 units."""
    algorithm = {**support.hyper("cbp"), **changes}
    return support.variant(REGRESSION, algorithm, hidden=[5, 4], activation="tanh", flip_every=70, length=2)


def agree(settings: dict, seeds: list[int], device: str, tolerance: float, images: int = 1797) -> dict:
    """Assert that engine and definition end in the same state, and return the state."""
    ours = support.train(settings, seeds, "graphed", images, device)
    found = support.gaps(ours, support.train(settings, seeds, "stacked", images))
    assert max(found.values()) < tolerance, found
    return ours


# ---- equal to the definition


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_double_precision(algorithm, device):
    """540 steps of 64-40-40-10 in three tasks; with CBP about two hundred renewals in each layer."""
    settings = support.variant(DIGITS, support.hyper(algorithm), length=3)
    state = agree(settings, [4, 1], device, 1e-10, images=180)
    for own in state["algorithm"].values() if algorithm == "cbp" else ():
        assert (own["age"] < 540).sum() > 10  # the same units again and again: young ones are of little use


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_single_precision(algorithm, device):
    """200 steps; Adam divides by roots of small moments, which makes rounding larger."""
    settings = support.variant(DIGITS, support.hyper(algorithm), length=1, precision="float32")
    agree(settings, [4, 1], device, 2e-5 if algorithm == "adam" else 5e-6, images=200)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation, device):
    settings = support.variant(
        REGRESSION, support.hyper("l2"), hidden=[5, 4], activation=activation, length=3
    )
    agree(settings, [0, 2], device, 1e-11)


def test_a_linear_map(device):
    agree(support.variant(REGRESSION, support.hyper("backprop"), hidden=[], length=3), [0], device, 1e-11)


@pytest.mark.parametrize("given", CBP.values(), ids=CBP)
def test_continual_backprop(given, device):
    """140 steps; every kind of choice renews real units."""
    state = agree(small(**given), [0, 3], device, 1e-10)
    assert all((own["age"] < 140).any() for own in state["algorithm"].values())


@pytest.mark.parametrize("changes", [{"noise": "sum4"}, {"optimiser": "adam", "step_size": 0.001}])
def test_shrink_and_perturb(changes, device):
    given = {**support.hyper("shrink_and_perturb"), **changes}
    agree(support.variant(REGRESSION, given, length=2), [0, 3], device, 1e-11)


@pytest.mark.parametrize("guard", ["none", "clamp", "layer_scaling"])
@pytest.mark.parametrize("affine", ["learned", "none"])
def test_online_normalisation(affine, guard, device):
    """A quick decay, so that some of what is normalised is clipped; scaled layers are too chaotic for that."""
    given = {**support.hyper("online_normalisation"), "affine": affine, "guard": guard}
    given |= {"initialisation": "unit_gain", "forward_decay": 0.999 if guard == "layer_scaling" else 0.8}
    agree(support.variant(REGRESSION, given, hidden=[5, 4], activation="elu", length=2), [0, 3], device, 1e-9)


@pytest.mark.parametrize("activation", ["sigmoid", "leaky_relu"])
def test_dropout(activation, device):
    """Also where a unit that is off would say one half."""
    given = {**support.hyper("dropout"), "probability": 0.3}
    agree(
        support.variant(REGRESSION, given, hidden=[7, 4], activation=activation, length=2),
        [0, 3],
        device,
        1e-11,
    )


@pytest.mark.parametrize("problem", [DIGITS, REGRESSION])
def test_performance_of_every_step(problem, device):
    settings = support.variant(problem, support.hyper("backprop"), length=2)
    found = []
    for engine, place in (("graphed", device), ("stacked", "cpu")):
        runs = support.stream(settings, [2, 0, 5], engine, 150, place)
        tasks = [[problem.task(index) for problem in runs.problems] for index in range(2)]
        found.append(np.stack([runs.learner.train(task, index) for index, task in enumerate(tasks)]))
    assert found[0].shape == found[1].shape and found[0].dtype == np.float64
    np.testing.assert_allclose(*found, atol=1e-10)


@pytest.mark.parametrize("reset", ["network", "head"])
def test_a_network_made_anew(reset, device):
    settings = support.variant(DIGITS, support.hyper("adam"), length=3, reset=reset)
    agree(settings, [4, 1], device, 1e-10, images=60)


# ---- contracts


def same(one: dict, other: dict, device: str) -> bool:
    """Whether two algorithms leave the same bits in the weights."""
    states = [
        support.train(
            support.variant(DIGITS, given, precision="float32"), [0, 7], "graphed", 80, device=device
        )
        for given in (one, other)
    ]
    return support.same_bits(*states, branch="weights")


def test_without_its_extra_an_algorithm_is_the_simpler_one(device):
    backprop, l2 = support.hyper("backprop"), support.hyper("l2")
    noisy, cbp = support.hyper("shrink_and_perturb"), support.hyper("cbp")
    assert same({**cbp, "replacement_rate": 0}, backprop, device)
    assert same({**cbp, "maturity_threshold": 10**6}, backprop, device)
    assert same({**l2, "weight_decay": 0}, backprop, device)
    assert same({**noisy, "noise_std": 0}, l2, device)
    assert same({**support.hyper("dropout"), "probability": 0}, backprop, device)
    assert not same(cbp, backprop, device) and not same(noisy, l2, device)


# ---- neighbours


def grouped(settings: dict, blocks: list[list[int]], images: int) -> dict[int, dict]:
    """Last states by seed, blocks trained one after the other."""
    found = {}
    for seeds in blocks:
        state = support.train(settings, seeds, "graphed", images)
        for place, seed in enumerate(seeds):
            found[seed] = {path: array[place].copy() for path, array in support.leaves(state)}
    return found


@pytest.mark.parametrize(
    ("algorithm", "precision"),
    [*((name, "float32") for name in ALGORITHMS), ("cbp", "float64"), ("adam", "float64")],
)
def test_neighbours_do_not_matter(algorithm, precision):
    """Blocks of 1, 2 and 8 runs in any order, bit for bit, on a CPU. (On a GPU benchmarks/gpu.py measures it.)"""
    settings = support.variant(
        DIGITS, support.hyper(algorithm), length=1, precision=precision, hidden=[37, 50]
    )
    whole = grouped(settings, [[0, 1, 2, 3, 4, 5, 6, 7]], 50)
    for blocks in ([[7, 2, 5, 0, 1, 6, 4, 3]], [[3, 1], [6, 5]], [[4]]):
        for seed, state in grouped(settings, blocks, 50).items():
            assert support.same_bits(state, whole[seed]), (seed, blocks)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_neighbours_do_not_matter_to_activations(activation):
    settings = support.variant(
        REGRESSION, support.hyper("cbp"), activation=activation, hidden=[7], precision="float32"
    )
    whole = grouped(settings, [[0, 1, 2, 3, 4]], 0)
    for seed, state in grouped(settings, [[4, 1, 0], [2], [3]], 0).items():
        assert support.same_bits(state, whole[seed]), seed


# ---- state and data


@pytest.mark.parametrize("given", [support.hyper("cbp"), {**support.hyper("cbp"), "optimiser": "adam"}])
def test_state_moves_between_engines(given, device):
    """Stop after one task and go on under the other engine: the same layout, the same end."""
    settings = support.variant(DIGITS, given, length=2)
    ends = []
    for first, second in (("stacked", "graphed"), ("graphed", "stacked"), ("graphed", "graphed")):
        places = [device if name == "graphed" else "cpu" for name in (first, second)]
        here, there = (
            support.stream(settings, [3, 0], name, 80, at)
            for name, at in zip((first, second), places, strict=True)
        )
        support.learn(here, 0)
        there.learner.load(here.learner.state())
        support.learn(there, 1)
        ends.append(there.learner.state())
    whole = support.train(settings, [3, 0], "graphed", 80, device)
    assert max(support.gaps(ends[0], whole).values()) < 1e-10
    assert max(support.gaps(ends[1], whole).values()) < 1e-10
    assert support.same_bits(ends[2], whole)


def test_state_is_a_copy(device):
    runs = support.stream(
        support.variant(DIGITS, support.hyper("adam"), length=1), [0], "graphed", 70, device
    )
    before = runs.learner.state()
    support.learn(runs, 0)
    assert (before["weights"]["bias_0"] == 0).all() and (before["optimiser"]["step"] == 0).all()


def table(problem, runs: int, kind: str) -> list[Task]:
    """The first task of each run: bytes or floats, permuted by an index or beforehand."""
    tasks = [problem.task(0)] * runs
    if kind == "permuted beforehand":
        return [replace(t, table=t.rows(np.arange(len(t.inputs))), permutation=None) for t in tasks]
    whole = (np.round(tasks[0].inputs * 16)).astype(np.uint8 if kind == "bytes" else np.float32)
    return [replace(task, table=whole) for task in tasks] if kind != "as given" else tasks


@pytest.mark.parametrize(
    "one_and_other", [("as given", "permuted beforehand"), ("bytes", "floats")], ids=["permutation", "bytes"]
)
def test_how_data_lie_does_not_matter(one_and_other, device):
    """Looking a permutation up at each step, and images kept as bytes, change no bit."""
    states = []
    for kind in one_and_other:
        settings = support.variant(
            DIGITS, {"name": "backprop", "step_size": 1e-3}, length=1, precision="float32"
        )
        runs = support.stream(settings, [2, 5], "graphed", 70, device)
        runs.learner.train(table(runs.problems[0], 2, kind), 0)
        states.append(runs.learner.state())
    assert support.same_bits(*states)


def test_equal_tables_are_held_once(device):
    runs = support.stream(
        support.variant(DIGITS, support.hyper("l2"), length=2), [0, 1, 2], "graphed", 50, device
    )
    for index in range(2):
        support.learn(runs, index)
    assert runs.learner.feed.buffers["table"].shape == (50, 64)


def test_a_feed_that_changes_its_shape(device):
    """Tasks of other lengths, and tables of other sizes, from task to task."""
    runs = support.stream(
        support.variant(REGRESSION, support.hyper("l2"), length=3), [0, 1], "graphed", 0, device
    )
    other = support.stream(support.variant(REGRESSION, support.hyper("l2"), length=3), [0, 1], "stacked")
    for index, steps in enumerate((40, 90, 40)):
        tasks = [problem.task(index) for problem in runs.problems]
        tasks = [replace(task, order=task.order[:steps]) for task in tasks]
        if index == 1:
            tasks = [
                replace(t, table=np.tile(t.inputs, (2, 1)), targets=np.tile(t.targets, 2)) for t in tasks
            ]
        np.testing.assert_allclose(
            runs.learner.train(tasks, index), other.learner.train(tasks, index), atol=1e-11
        )


# ---- what a graph needs


@pytest.mark.parametrize("kind", ["uniforms", "normals", "sum4"])
def test_draws_with_the_clock_on_the_device(kind, device):
    """Bit for bit the numbers of the streams' definition, compiled or not, wherever the clock is kept."""
    at = {"device": device}
    clock = Clock(torch.tensor([3, 2**31], **at), torch.tensor([5], **at), torch.tensor([1001], **at))
    layers = torch.tensor([[7], [256 * 2001]], **at)
    drawn = getattr(tensors, kind)(streams.NOISE, clock, layers, 200, device).cpu().numpy()
    for row, seed, layer in zip(drawn, (3, 2**31), (7, 256 * 2001), strict=True):
        place = streams.Address(streams.NOISE, seed, task=5, step=1001, layer=layer)
        assert row.tobytes() == getattr(streams, kind)(place, 200).tobytes()


def test_draws_can_be_compiled():
    """PyTorch's tracer goes through a whole draw (here without its code generator, which takes a minute)."""
    clock = Clock(torch.tensor([3, 1]), torch.tensor([0]), torch.tensor([9]))
    tensors.torch = torch
    traced = torch.compile(tensors.normals.__wrapped__, backend="eager", fullgraph=True)
    expected = tensors.normals(streams.NOISE, clock, 0, 100)
    assert torch.equal(traced(streams.NOISE, clock, 0, 100, "cpu"), expected)


class OnDevice(TorchDispatchMode):
    """Every tensor that an operation is given lies on the device."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for leaf in torch.utils._pytree.tree_leaves((args, kwargs)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == "meta", function
        return function(*args, **(kwargs or {}))


STEPS = [support.variant(DIGITS, support.hyper(name)) for name in ALGORITHMS]
STEPS += [small(**given) for given in CBP.values()]
STEPS += [support.variant(REGRESSION, support.hyper("l2"), activation=name) for name in ACTIVATIONS]


@pytest.mark.parametrize("settings", STEPS, ids=lambda s: " ".join(map(str, s["algorithm"].values())))
def test_a_step_never_waits_for_the_device(settings):
    """What a CUDA graph needs, shown without a GPU on PyTorch's device without data: asking it for a number, or for
    as many results as the data say, is an error, and so is an operation that takes anything from the host."""
    runs = support.stream(settings, [0, 1], "graphed", 30)
    tasks = [problem.task(0) for problem in runs.problems]
    stack = engines.learner("graphed", procedures.need(settings), runs.networks, [0, 1], "meta")
    stack.load(runs.learner.state())
    stack.feed.put(tasks, 0)
    with torch.no_grad(), OnDevice():
        stack._replay.step()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_memory_stays_where_it_is(algorithm):
    """A recorded graph works on addresses: neither a task nor a new state of the same shape may move anything."""
    runs = support.stream(
        support.variant(DIGITS, support.hyper(algorithm), reset="network"), [0, 1], "graphed", 20
    )
    support.learn(runs, 0)
    stack = runs.learner

    def addresses() -> list[int]:
        step = stack._replay.step.stack
        tensors = [leaf for _path, leaf in support.leaves(stack._state)]
        tensors += [
            *step.h,
            *step.z,
            *step.delta,
            *step.slope,
            *step.w,
            *step.b,
            *stack.feed.buffers.values(),
        ]
        return [tensor.data_ptr() for tensor in (*tensors, stack.feed.step, stack.feed.task)]

    before = addresses()
    support.learn(runs, 1)  # loads a fresh state
    assert addresses() == before


def test_the_device_without_data_notices():
    there = torch.ones(3, device="meta")
    for wrong, error, words in (
        (lambda: there.sum().item(), RuntimeError, r"Tensor\.item\(\) cannot be called on meta tensors"),
        (lambda: bool(there.any()), RuntimeError, r"Tensor\.item\(\) cannot be called on meta tensors"),
        (there.nonzero, NotImplementedError, r"torch\.nonzero\(\)"),
        (there.cpu, NotImplementedError, "Cannot copy out of meta tensor"),
    ):
        with pytest.raises(error, match=words):
            wrong()
    with pytest.raises(AssertionError), OnDevice():
        there.add_(torch.ones(3))

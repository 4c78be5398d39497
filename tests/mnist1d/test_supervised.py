"""Training on MNIST-1D: networks against PyTorch's own modules, the loop against the notebooks' loop."""

from __future__ import annotations

import math

import courses
import numpy as np
import pytest
import torch
from torch import nn

from perennial import registry
from perennial.measures import map_neighbours
from perennial.settings import Unfit

NETWORKS = {
    "logistic": {"name": "residual_mlp", "hidden": []},
    "mlp": {"name": "residual_mlp", "hidden": [100, 100]},
    "cnn": {"name": "conv1d"},
    "gru": {"name": "gru"},
    "max": {"name": "conv1d", "channels": [20, 20], "kernels": [3, 3], "stride": 1, "pool": "max"},
    "l2": {"name": "conv1d", "channels": [20, 20], "kernels": [3, 3], "stride": 1, "pool": "l2"},
    "no_pool": {"name": "conv1d", "channels": [20, 20], "kernels": [3, 3], "stride": 1},
    "stride_2": {"name": "conv1d", "channels": [20, 20], "kernels": [3, 3], "stride": 2},
    "double_descent_mlp": {"name": "residual_mlp", "hidden": [47, 47], "residual": False},
    "double_descent_cnn": {"name": "conv1d", "channels": [24, 24, 24]},
}
PARAMETERS = {
    "logistic": 410, "mlp": 15_210, "cnn": 5_210, "gru": 5_134, "max": 3_310, "l2": 3_310, "no_pool": 9_310,
    "stride_2": 3_310, "double_descent_mlp": 4_663, "double_descent_cnn": 4_858,
}  # fmt: skip
MEASURES = {"test_accuracy": 20, "train_accuracy": 20, "test_loss": 10, "parameters": 40}


class Plain(nn.Module):
    """The networks of the article in PyTorch's own modules."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        if name == "gru":
            self.parts = nn.ModuleList(
                [nn.GRU(1, 6, batch_first=True, bidirectional=True), nn.Linear(480, 10)]
            )
        elif name == "logistic":
            self.parts = nn.ModuleList([nn.Linear(40, 10)])
        elif name in ("mlp", "double_descent_mlp"):
            h = 100 if name == "mlp" else 47
            self.parts = nn.ModuleList([nn.Linear(40, h), nn.Linear(h, h), nn.Linear(h, 10)])
        elif name in ("cnn", "double_descent_cnn"):
            c = 25 if name == "cnn" else 24
            convolutions = [nn.Conv1d(i, c, k, 2, 1) for i, k in ((1, 5), (c, 3), (c, 3))]
            self.parts = nn.ModuleList([*convolutions, nn.Linear(5 * c, 10)])
        else:
            stride = 2 if name == "stride_2" else 1
            convolutions = [nn.Conv1d(i, 20, 3, stride, 1) for i in (1, 20)]
            self.parts = nn.ModuleList([*convolutions, nn.Linear(800 if name == "no_pool" else 200, 10)])

    def forward(self, x):
        *hidden, head = self.parts
        if self.name == "gru":
            return head(hidden[0](x.unsqueeze(2))[0].flatten(1))
        if self.name == "mlp":
            h = hidden[0](x).relu()
            return head(h + hidden[1](h).relu())
        if "mlp" in self.name or self.name == "logistic":
            for layer in hidden:
                x = layer(x).relu()
            return head(x)
        x = x.unsqueeze(1)
        for layer in hidden:
            x = layer(x).relu()
            if self.name == "max":
                x = nn.functional.max_pool1d(x, 2)
            if self.name == "l2":
                x = (x.unfold(2, 2, 2) ** 2).sum(3).clamp(min=1e-30).sqrt()
        return head(x.flatten(1))

    def take(self, weights: dict[str, np.ndarray]) -> None:
        """Weights under our names: those of a linear layer are the other way round."""
        named = []
        for part in self.parts:
            named += list(part.parameters())
        with torch.no_grad():
            for own, array in zip(named, weights.values(), strict=True):
                value = torch.tensor(array)
                own.copy_(
                    value.T if (value.dim() == 2 and own.shape != value.shape) or is_square(own) else value
                )


def is_square(own) -> bool:
    return own.dim() == 2 and own.shape[0] == own.shape[1]


def network(name: str):
    own = NETWORKS[name]
    return registry.module("networks", own["name"]).Network(registry.parse("networks", own), 40, 10)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_published_one(name):
    net, plain = network(name), Plain(name).double()
    weights = net.init(3, dtype="float64")
    assert list(weights) == net.names and sum(w.size for w in weights.values()) == PARAMETERS[name]
    assert sum(p.numel() for p in plain.parameters()) == PARAMETERS[name]
    plain.take(weights)
    x = torch.tensor(np.random.default_rng(0).normal(size=(7, 40)))
    leaves = {key: torch.tensor(w)[None].requires_grad_() for key, w in weights.items()}
    outputs, hidden = net.forward(leaves, x[None])
    expected = plain(x)
    torch.testing.assert_close(outputs[0], expected, rtol=1e-12, atol=1e-12)
    outputs.square().sum().backward()
    expected.square().sum().backward()
    norms = [sum(float(w.grad.square().sum()) for w in ws) for ws in (leaves.values(), plain.parameters())]
    assert norms[0] == pytest.approx(norms[1], rel=1e-9) and norms[0] > 0
    features = net.features(weights, x.numpy())
    for layer, (h, probed) in enumerate(zip(hidden, features, strict=True)):
        np.testing.assert_allclose(h[0].detach().numpy(), probed, rtol=1e-12, atol=1e-12)
        assert net.by_unit(layer, h).shape[:2] == (1, 7)


@pytest.mark.parametrize("name", NETWORKS)
def test_first_weights_are_uniform_as_those_of_pytorch(name):
    """Of each array the largest number comes near the bound that PyTorch documents for its layer."""
    net = network(name)
    weights, plain = net.init(0), Plain(name)
    theirs = [p for part in plain.parts for p in part.parameters()]
    for (key, w), like in zip(weights.items(), theirs, strict=True):
        bound = net.bounds[int(key.split("_")[1])]
        assert abs(w).max() <= bound and like.abs().max() <= bound * 1.0001, key
        if w.size > 60:
            assert abs(w).max() > 0.9 * bound and like.abs().max() > 0.9 * bound, key


@pytest.mark.parametrize("name", ["logistic", "mlp", "cnn", "gru"])
def test_the_loop_is_that_of_the_notebooks(name):
    """Contiguous slices in order, Adam, update and then evaluate: written out with torch.optim."""
    own = courses.settings(
        {"name": "supervised", "batch_size": 20}, NETWORKS[name], MEASURES, 41, precision="float64"
    )
    course = courses.begin(own, [3])
    plain = Plain(name).double()
    plain.take(network(name).init(3, dtype="float64"))
    problem = course.problems[0]
    inputs, targets = torch.tensor(problem.task(0).inputs).double(), torch.tensor(problem.task(0).targets)
    test, labels = (torch.tensor(array) for array in problem.test(0))
    optimiser, losses, accuracies = torch.optim.Adam(plain.parameters(), lr=0.01), [], []
    for step in range(41):
        first = step * 20 % len(inputs)
        optimiser.zero_grad()
        nn.functional.cross_entropy(plain(inputs[first : first + 20]), targets[first : first + 20]).backward()
        optimiser.step()
        with torch.no_grad():
            outputs = plain(test.double())
        if step % 10 == 0:
            losses.append(float(nn.functional.cross_entropy(outputs, labels)))
        if step % 20 == 0:
            accuracies.append(100 * float((outputs.argmax(1) == labels).double().mean()))
    courses.finish(course)
    found = {series.name: series for series in course.results()}
    np.testing.assert_allclose(found["test_loss"].values[0], losses, rtol=1e-6)
    np.testing.assert_allclose(found["test_accuracy"].values[0], accuracies)
    assert (
        found["test_accuracy"].positions[0].tolist() == [0, 20, 40] and found["test_accuracy"].axis == "step"
    )
    assert found["parameters"].values[0].tolist() == [PARAMETERS[name]] * 2


@pytest.mark.parametrize("name", ["mlp", "cnn", "gru"])
@pytest.mark.parametrize("batches", ["sequential", "reshuffled"])
def test_a_course_keeps_its_contract(name, batches):
    procedure = {"name": "supervised", "batch_size": 20, "batches": batches}
    courses.check_contract(courses.settings(procedure, NETWORKS[name], MEASURES, 33))


def test_a_long_way_to_the_next_measurement_is_cut(monkeypatch):
    """Nothing is measured where a run is cut, and nothing changes."""
    own = courses.settings(
        {"name": "supervised", "batch_size": 20}, NETWORKS["logistic"], {"test_loss": 30}, 33
    )
    whole = courses.begin(own)
    assert list(whole.pieces()) == [3 * 1, 3 * 30, 3 * 2]
    monkeypatch.setattr("perennial.procedures.supervised.PIECE", 7)
    cut = courses.check_contract(own)
    assert courses.equal(whole, cut)
    assert list(courses.begin(own).pieces()) == [3 * count for count in (1, 7, 7, 7, 7, 2, 2)]


def test_every_pass_has_another_order_and_shows_each_example_once():
    procedure = {"name": "supervised", "batch_size": 20, "batches": "reshuffled"}
    course = courses.begin(courses.settings(procedure, NETWORKS["logistic"], MEASURES, 12), [0])
    order = course._task(course.problems[0]).order
    passes = order[:200].reshape(2, 100)
    assert (
        len(order) == 240
        and (np.sort(passes, axis=1) == np.arange(100)).all()
        and (passes[0] != passes[1]).any()
    )


def test_a_snapshot_of_another_course_is_refused():
    procedure = {"name": "supervised", "batch_size": 20}
    one = courses.begin(courses.settings(procedure, NETWORKS["logistic"], MEASURES, 12))
    next(one.pieces())
    kept = one.snapshot()
    kept["updates"] = np.array(40)
    with pytest.raises(ValueError, match="40 of 12 updates"):
        courses.begin(one.settings).restore(kept)


@pytest.mark.parametrize(
    ("changes", "measures", "line"),
    [
        ({"batch_size": 30}, MEASURES, "batch_size: 30 does not divide the 100 training examples"),
        ({"batch_size": 20}, {"dead_units": 5}, "measures: dead_units: cannot be taken between updates"),
    ],
)
def test_what_cannot_be_trained_is_one_line(changes, measures, line):
    own = courses.settings({"name": "supervised", **changes}, NETWORKS["logistic"], measures, 12)
    with pytest.raises(Unfit, match=line):
        courses.begin(own)


# ---- the problem


def problem(**changes):
    own = {**courses.DATA, **changes}
    module, choices = registry.module("problems", "mnist1d"), registry.parse("problems", own)
    return module.Problem(choices, 0, module.sequence(choices, 0, 1))


def test_arrangements_move_positions_of_training_and_test_examples_alike():
    plain = problem()
    for name, columns in {
        "reversed": list(range(39, -1, -1)),
        "chunks": [*range(20, 40), *range(20)],
    }.items():
        moved = problem(arrangement=name)
        assert np.array_equal(moved.task(0).inputs, plain.task(0).inputs[:, columns])
        assert np.array_equal(moved.test(0)[0], plain.test(0)[0][:, columns])


@pytest.mark.parametrize(
    ("seed", "order"),
    [
        (42, "19 16 15 26 4 12 37 27 39 6 25 9 13 31 34 8 17 24 0 33 5 11 1 29 21 2 30 36 3 35 23 32 10 22 18 20 7 "
         "14 28 38"),
        (0, "22 20 25 4 10 15 28 11 18 29 27 35 37 2 39 30 34 16 36 8 13 5 17 14 33 7 32 1 26 12 31 24 6 23 21 19 9 "
         "38 3 0"),
    ],
)  # fmt: skip
def test_permutations_are_the_published_ones(seed, order):
    moved = problem(arrangement="permuted", permutation_seed=seed)
    assert np.array_equal(moved.task(0).inputs, problem().task(0).inputs[:, list(map(int, order.split()))])


def test_label_noise_goes_on_with_the_draws_of_the_data():
    from perennial.datasets import _mnist1d

    _, draw = _mnist1d.made(_mnist1d.Arguments(num_samples=16000, train_split=0.25))
    assert draw.random_sample(4).round(8).tolist() == [0.3512171, 0.42589595, 0.1829223, 0.41967392]
    clean, noisy = (problem(num_samples=4000, label_noise=share) for share in (0.0, 0.15))
    wrong = (clean.task(0).targets != noisy.task(0).targets).mean()
    assert abs(wrong - 0.15 * 0.9) < 4 * math.sqrt(0.135 / 2000)
    assert np.array_equal(clean.test(0)[1], noisy.test(0)[1])


def test_a_run_says_whether_its_data_are_the_published_ones():
    own = {"published_examples": 10, "published_labels": 10}
    for changes, found in (({}, [100, 100]), ({"seed": 43}, [100, 25]), ({"seed": 7}, [0, 25])):
        whole = {"name": "mnist1d", **changes}
        course = courses.begin(
            courses.settings({"name": "supervised"}, NETWORKS["logistic"], own, 1, whole), [0]
        )
        courses.finish(course)
        assert [series.values[0].tolist() for series in course.results()] == [[value] for value in found]


def test_neighbours_and_logistic_regression_of_the_examples_are_as_published():
    measured = {"pixel_neighbours": 10, "pixel_logistic": 10}
    whole = {"name": "mnist1d"}
    course = courses.begin(
        courses.settings({"name": "supervised"}, NETWORKS["logistic"], measured, 1, whole), [0]
    )
    courses.finish(course)
    found = {series.name: series.values[0][0] for series in course.results()}
    assert found["pixel_neighbours"] == pytest.approx(59.6) and found["pixel_logistic"] == pytest.approx(
        32.8, abs=0.5
    )


def test_neighbours_in_the_map_tell_clusters_from_noise():
    """Two far heaps are told apart in the map; labels by chance are not."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 120)
    x = draw.normal(size=(120, 5)) + 20 * labels[:, None]
    heaps = {"inputs": x[:90], "test_inputs": x[90:], "targets": labels[:90], "test_targets": labels[90:]}
    chance = {**heaps, "targets": draw.permutation(labels[:90])}
    assert map_neighbours.measure(heaps) == 100 and map_neighbours.measure(chance) < 90

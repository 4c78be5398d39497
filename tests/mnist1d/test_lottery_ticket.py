"""Lottery tickets: the search against a loop in plain PyTorch, its masks, the transfer and the neighbours."""

from __future__ import annotations

import courses
import numpy as np
import pytest
import torch
from torch import nn

from perennial.measures import adjacency
from perennial.procedures import _tickets
from perennial.settings import Unfit

NETWORK = {"name": "residual_mlp", "hidden": [12, 12]}
DATA = {**courses.DATA, "second_seed": 43}
ADAM = {"name": "adam", "step_size": 0.02}
MEASURES = {"test_accuracy": 1, "test_loss": 1, "transfer_accuracy": 5, "adjacency": 1}
SHORT = {"name": "lottery_ticket", "updates": 12, "batch_size": 20, "sparsities": [0, 0.5, 0.9], "ticket": 2}
TRANSFER = {"transfer": True, "transfer_updates": 11, "transfer_batch": 50}


def settings(length: int = 3, measures=MEASURES, network=NETWORK, problem=DATA, **procedure):
    return courses.settings({**SHORT, **procedure}, network, measures, length, problem, ADAM, "float64")


class Plain(nn.Module):
    """The residual network in PyTorch's own modules; masks are written over the parameters before each forward pass."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(40, 12), nn.Linear(12, 12), nn.Linear(12, 10)]).double()
        self.masks: list[torch.Tensor] | None = None
        with torch.no_grad():
            for k, layer in enumerate(self.layers):
                layer.weight.copy_(torch.tensor(weights[f"weight_{k}"][0]).T)
                layer.bias.copy_(torch.tensor(weights[f"bias_{k}"][0]))

    def vectors(self) -> list[torch.Tensor]:
        """Of each layer its weights, as ours lie, and then its biases."""
        return [torch.cat([layer.weight.T.flatten(), layer.bias]) for layer in self.layers]

    def forward(self, x):
        if self.masks is not None:
            for layer, mask in zip(self.layers, self.masks, strict=True):
                count = layer.weight.numel()
                layer.weight.data *= mask[:count].view(layer.weight.T.shape).T
                layer.bias.data *= mask[count:]
        a, b, head = self.layers
        h = a(x).relu()
        return head(h + b(h).relu())


def trained(plain: Plain, data, updates: int, size: int):
    """Weights after each update, and the test accuracy: `data` as from a course."""
    x, y, test, labels = (torch.tensor(array) for array in data)
    optimiser, vectors = torch.optim.Adam(plain.parameters(), lr=0.02), []
    for update in range(updates):
        first = update * size % len(y)
        optimiser.zero_grad()
        nn.functional.cross_entropy(
            plain(x[first : first + size].double()), y[first : first + size]
        ).backward()
        optimiser.step()
        with torch.no_grad():
            accuracy = 100 * float((plain(test.double()).argmax(1) == labels).double().mean())
        vectors.append(([vector.clone() for vector in plain.vectors()], accuracy))
    return vectors


def test_a_search_is_that_of_the_notebook():
    """Three rounds: score, drop, rewind, train; tested after update 0 (the last multiple of 100 before 12)."""
    course = courses.begin(settings(prune_from="last"), [3])
    data, first = course._data(0, course.trainings[0]), course._first(0, 0)
    scored, masks, accuracies = None, None, []
    for sparsity in (0, 0.5, 0.9):
        plain = Plain(first)
        if scored is not None:
            masks = []
            for vector in scored:
                mask = torch.ones(len(vector), dtype=torch.float64)
                mask[vector.abs().argsort(stable=True)[: int(sparsity * len(vector))]] = 0
                masks.append(mask)
        plain.masks = masks
        steps = trained(plain, data, 12, 20)
        scored, accuracies = steps[-1][0], [*accuracies, steps[0][1]]
    courses.finish(course)
    for k, mask in enumerate(masks):
        own = np.concatenate([course.masks[0][f"{kind}_{k}"][0].ravel() for kind in ("weight", "bias")])
        assert np.array_equal(own, mask.numpy().astype(bool))
        ours = np.concatenate([course.scored[0][f"{kind}_{k}"][0].ravel() for kind in ("weight", "bias")])
        np.testing.assert_allclose(ours, scored[k].detach().numpy(), rtol=1e-7, atol=1e-9)
    found = {series.name: series for series in course.results()}
    assert found["test_accuracy"].values[0].tolist() == accuracies
    assert (
        found["test_accuracy"].positions[0].tolist() == [0, 50, 90]
        and found["test_accuracy"].axis == "sparsity"
    )


def test_weights_of_step_1000_are_scored_where_a_round_is_as_long():
    course = courses.begin(settings(1, updates=1003), [0])
    courses.finish(course)
    plain, data = Plain(course._first(0, 0)), course._data(0, course.trainings[0])
    vectors = trained(plain, data, 1001, 20)[1000][0]
    ours = np.concatenate([course.scored[0]["weight_0"][0].ravel(), course.scored[0]["bias_0"][0]])
    np.testing.assert_allclose(ours, vectors[0].detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", ["magnitude", "random"])
def test_masks_nest_where_size_ranks_and_not_by_chance(score):
    course, masks = courses.begin(settings(score=score), [0, 1]), []
    for _ in course.pieces():
        masks.append([own["weight_0"] for own in course.masks])
    inside = [
        (masks[1][r] & ~masks[0][r]).any() for r in range(2)
    ]  # masks of rounds 1 and 2 after pieces 0 and 1
    assert inside == ([False, False] if score == "magnitude" else [True, True])


def test_tickets_of_the_published_network_keep_as_many_parameters():
    shapes = {"weight_0": (40, 500), "weight_1": (500, 500), "weight_2": (500, 10)}
    shapes |= {"bias_0": (500,), "bias_1": (500,), "bias_2": (10,)}
    draw = np.random.default_rng(0)
    found = _tickets.pruned({name: draw.random(shape) for name, shape in shapes.items()}, 91 / 99, 3)
    kept = [int(found[f"weight_{k}"].sum() + found[f"bias_{k}"].sum()) for k in range(3)]
    assert kept == [1657, 20_243, 405]


@pytest.mark.parametrize("seeded", ["2020", "2024"])
def test_tickets_learn_the_second_data_set(seeded):
    """The lottery ticket, rewound or on unrelated weights, under each condition, against plain PyTorch."""
    course = courses.begin(settings(seeded=seeded, **TRANSFER), [5])
    courses.finish(course)
    found = {series.name: series for series in course.results()}
    for place, (condition, number) in enumerate(
        {"new": 0, "flipped": 0, "permuted": 0, "reinitialised": 1}.items()
    ):
        for ticket in ("dense", "lottery", "random"):
            training = next(t for t in course.trainings if (t.condition, t.ticket) == (condition, ticket))
            plain = Plain(course._first(0, number if seeded == "2020" else 2 + place))
            own = course.tickets[0].get(ticket)
            if own:
                plain.masks = [
                    torch.tensor(
                        np.concatenate([own[f"weight_{k}"].ravel(), own[f"bias_{k}"].ravel()])
                    ).double()
                    for k in range(3)
                ]
            steps = trained(plain, course._data(0, training), 11, 50)
            series = found[f"transfer_accuracy_{condition}_{ticket}"]
            assert series.values[0].tolist() == [steps[k][1] for k in (0, 5, 10)], (condition, ticket)
            assert series.positions[0].tolist() == [0, 5, 10] and series.axis == "step"
    inputs = course.problems[0].sequence["second_x"]
    flipped = next(t for t in course.trainings if t.condition == "flipped")
    np.testing.assert_allclose(course._data(0, flipped)[0], inputs[:, ::-1], rtol=1e-6)


@pytest.mark.parametrize("procedure", [{}, {**TRANSFER, "score": "random", "seeded": "2024"}])
def test_a_course_keeps_its_contract(procedure):
    courses.check_contract(settings(**procedure))


def test_neighbours_are_runs_of_kept_inputs():
    kept = np.array([[1, 1, 1, 0, 1], [0, 1, 1, 1, 1]], bool)
    none = np.zeros_like(kept)
    assert [adjacency.measure(kept, r, kept) for r in (2, 3, 4)] == pytest.approx([2.5 / 5, 1.5 / 5, 0.5 / 5])
    assert adjacency.measure(kept, 4, none) == 0  # the published mistake
    chance = np.random.default_rng(0).random((5000, 40)) < 0.081
    assert adjacency.measure(chance, 2, chance) == pytest.approx(0.0064, abs=4e-4)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"length": 4}, "length: 4 rounds, but there are 3 sparsities"),
        ({"network": {"name": "conv1d"}}, "takes fully connected networks only"),
        ({"length": 2, **TRANSFER}, "transfer: needs the ticket's round and the problem's second_seed"),
        (
            {"problem": courses.DATA, **TRANSFER},
            "transfer: needs the ticket's round and the problem's second_seed",
        ),
        ({"batch_size": 30}, "batch_size: 30 does not divide the training examples"),
        ({"measures": {"train_accuracy": 1}}, "measures: train_accuracy: cannot be taken of a search"),
    ],
)
def test_what_cannot_be_searched_is_one_line(changes, line):
    with pytest.raises(Unfit, match=line):
        courses.begin(settings(**changes))

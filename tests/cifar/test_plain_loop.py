"""Our course against a plain loop: weights and running statistics, with the schedule and growing classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cifar import small
from cifar.plain import Plain

from perennial.learning import tree
from perennial.learning.networks import resnet18

SEED = 3


def compare(model: Plain, state: dict, tolerance: float = 1e-10) -> None:
    """Every number of a plain network with those of a run."""
    expected = Plain([4, 6], 100).double()
    expected.take(state)
    ours, theirs = expected.state_dict(), model.state_dict()
    for name, array in theirs.items():
        if "num_batches" not in name:
            torch.testing.assert_close(ours[name], array, rtol=tolerance, atol=tolerance, msg=name)


def test_fifty_steps_and_more(data):
    own = small.settings(procedure={"best_weights": "not_restored", "epochs": 10})
    course = small.course(own, [SEED], data)
    model = Plain([4, 6], 100).double()
    model.take(tree.each(lambda array: array[0], course.state()))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.005)
    problem, done = course.problems[0], 0
    for index in range(2):
        for epoch in range(10):
            for group in optimiser.param_groups:
                group["lr"] = 0.1 * 0.2 ** sum(epoch >= 10 * share for share in (0.3, 0.6, 0.8))
            for step in range(problem.steps(index, 8)):
                x, y = problem.batch(index, epoch, step, 8)
                model.train()
                outputs = model(torch.tensor(x.reshape(-1, 3, 8, 8), dtype=torch.float64))
                loss = torch.nn.functional.cross_entropy(outputs[:, : 2 * (index + 1)], torch.tensor(y))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                done += 1
    assert sum(course.pieces()) == done == course.total >= 50
    compare(model, tree.each(lambda array: array[0], course.state()))
    model.eval()
    x, _ = problem.validation(1)
    with torch.no_grad():
        shown = model(torch.tensor(x.reshape(-1, 3, 8, 8), dtype=torch.float64))
    np.testing.assert_allclose(course.learner.predict(0, x), shown.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", ["batch", "running"])
def test_units_are_looked_at_with_the_statistics_that_the_settings_name(data, mode):
    course = small.course(small.settings(network={"probe": mode}), [SEED], data)
    list(course.pieces())
    before = tree.each(np.copy, course.state())
    x = course.problems[0].coming(0, 20)
    from perennial.learning.engines import stacked

    own = tree.run_of(course.state(), 0)
    shown = stacked.probe(own_algorithm(course), course.networks, own, x.astype(float))
    model = Plain([4, 6], 100).double()
    model.take(tree.each(lambda array: array[0], course.state()))
    model.train(mode == "batch")
    with torch.no_grad():
        first = torch.relu(model.norm(model.stem(torch.tensor(x.reshape(-1, 3, 8, 8), dtype=torch.float64))))
        last = model.blocks(first).mean((2, 3))
    np.testing.assert_allclose(shown[0].reshape(20, 4, 8, 8), first.numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(shown[-1], last.numpy(), rtol=1e-9, atol=1e-9)
    after = course.state()
    assert all((before["buffers"][name] == after["buffers"][name]).all() for name in before["buffers"])


def own_algorithm(course) -> dict:
    return course.settings["algorithm"]


def test_the_published_network_has_the_published_size():
    network = resnet18.Network(resnet18.Settings(), 3072, 100, (3, 32, 32))
    assert sum(array.size for array in network.init(0).values()) == 11_224_932
    assert sum(network.widths[:-1]) == 3904 and network.layers - 1 == 17


def test_first_weights_are_kaiming_s():
    network = resnet18.Network(resnet18.Settings(), 3072, 100, (3, 32, 32))
    fresh = network.init(1, dtype="float64")
    for name, std in (("weight_0", (2 / 27) ** 0.5), ("weight_12", (2 / 2304) ** 0.5),
                      ("skip_weight_2", (2 / 64) ** 0.5), ("weight_17", 512**-0.5)):  # fmt: skip
        assert fresh[name].std() == pytest.approx(std, rel=0.04), name
    assert all(
        (fresh[name] == name.split("_")[-2].endswith("gamma")).all() for name in fresh if "weight" not in name
    )

"""A step size learned through training: the published trajectory, its derivative, its course."""

from __future__ import annotations

import courses
import numpy as np
import pytest
import torch
from torch import nn

from perennial.settings import Unfit

NETWORK = {"name": "residual_mlp", "hidden": [50], "activation": "tanh"}
MEASURES = {"learned_step_size": 1, "outer_loss": 1, "final_inner_loss": 1}
#: outer update -> (step size after it, mean inner loss), as published
PUBLISHED = {
    1.5: {3: (1.259, 1.808), 15: (0.7606, 1.721), 30: (0.6482, 1.716), 48: (0.6243, 1.716)},
    0.15: {3: (0.4909, 1.722), 15: (0.5965, 1.716), 30: (0.6166, 1.716), 48: (0.6203, 1.716)},
}


def settings(step_size: float, length: int, precision: str = "float32", problem=courses.DATA, **procedure):
    algorithm = {"name": "backprop", "step_size": step_size}
    own = {"name": "unrolled", **procedure}
    return courses.settings(own, NETWORK, MEASURES, length, problem, algorithm, precision)


@pytest.mark.parametrize("begin", PUBLISHED)
def test_the_published_trajectory_from_both_sides(begin):
    course = courses.begin(settings(begin, 49, problem={"name": "mnist1d"}), [0])
    courses.finish(course)
    found = {series.name: series.values[0] for series in course.results()}
    for update, (step_size, loss) in PUBLISHED[begin].items():
        assert found["learned_step_size"][update] == pytest.approx(step_size, abs=1e-3)
        assert found["outer_loss"][update] == pytest.approx(loss, abs=1e-3)
    assert found["final_inner_loss"][-1] == pytest.approx({1.5: 1.505, 0.15: 1.506}[begin], abs=1e-3)


def test_the_derivative_is_that_of_the_outer_loss():
    """By central differences, in double precision."""
    course = courses.begin(settings(0.4, 1, "float64", inner_updates=12), [3])

    def outer(eta: float) -> float:
        return float(
            course.inner(
                course.first[0], torch.tensor(eta, dtype=torch.float64), course.batches[0], learns=False
            ).mean()
        )

    courses.finish(course)
    slope = (0.4 - float(course.step_size[0])) / 0.3
    assert (
        slope == pytest.approx((outer(0.4 + 1e-5) - outer(0.4 - 1e-5)) / 2e-5, rel=1e-6) and abs(slope) > 1e-3
    )


def test_an_inner_training_is_plain_gradient_descent():
    """Of PyTorch's own modules, with first weights drawn by its global generator."""
    own = settings(0.5, 1, batch_size=20, inner_updates=11, outer_step_size=0)
    course = courses.begin(own, [4])
    courses.finish(course)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        plain = nn.Sequential(nn.Linear(40, 50), nn.Tanh(), nn.Linear(50, 10))
    optimiser, problem, losses = torch.optim.SGD(plain.parameters(), lr=0.5), courses.begin(own, [4]), []
    for batch in problem.batches[0]:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(plain(batch["inputs"][0]), batch["targets"][0])
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    found = {series.name: series.values[0] for series in course.results()}
    assert found["outer_loss"][0] == pytest.approx(np.mean(losses), rel=1e-6)
    assert found["final_inner_loss"][0] == pytest.approx(losses[-1], rel=1e-5)
    assert found["learned_step_size"].tolist() == [0.5]  # it does not learn


@pytest.mark.parametrize("first_weights", ["torch", "stream"])
def test_a_course_keeps_its_contract(first_weights):
    courses.check_contract(settings(1.5, 4, inner_updates=5, first_weights=first_weights))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"algorithm": {"name": "adam", "step_size": 0.1}}, "the inner training is plain gradient descent"),
        ({"network": {"name": "conv1d"}}, "network 'conv1d' is not fully connected"),
        ({"measures": {"test_loss": 1}}, "measures: test_loss: cannot be taken of an inner training"),
        (
            {"procedure": {"name": "unrolled", "batch_size": 30}},
            "batch_size: 30 does not divide the 100 training",
        ),
    ],
)
def test_what_cannot_be_learned_through_is_one_line(changes, line):
    given = {
        "procedure": {"name": "unrolled"},
        "network": NETWORK,
        "measures": MEASURES,
        "length": 2,
        "algorithm": {"name": "backprop", "step_size": 0.1},
    }
    with pytest.raises(Unfit, match=line):
        courses.begin(courses.settings(**{**given, **changes}))

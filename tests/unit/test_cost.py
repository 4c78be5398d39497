"""What a run takes, told without data: against what real courses count and hold."""

from __future__ import annotations

import numpy as np
import pytest
from fidelity import passes, support
from fidelity.support import DIGITS, MNIST, REGRESSION

from perennial import procedures, registry

ONLINE = {
    "regression": support.variant(REGRESSION, support.hyper("adam"), flip_every=30, length=3),
    "regression, linear": support.variant(
        REGRESSION, support.hyper("backprop"), hidden=[], flip_every=7, length=2
    ),
    "digits": support.variant(DIGITS, support.hyper("cbp"), length=2),
    "mnist": support.variant(MNIST, support.hyper("l2"), task_examples=50, length=4, precision="float32"),
}
IN_PASSES = {
    "convolutions": passes.variant(passes.CBP, length=2),
    "linear": passes.variant(support.hyper("backprop"), network={"name": "mlp", "hidden": []}, epochs=1),
    "one mini-batch": passes.variant(support.hyper("l2"), batch_size=20, length=3),
}


def cost(settings: dict) -> procedures.Cost:
    """As the plan asks for it."""
    return registry.module("procedures", settings["procedure"]["name"]).cost(settings)


def course(settings: dict, seeds: list[int]):
    """A real course, with its data."""
    in_passes = settings["procedure"]["name"] == "task_epochs"
    return (passes if in_passes else support).stream(settings, seeds, "stacked")


@pytest.mark.parametrize("settings", [*ONLINE.values(), *IN_PASSES.values()], ids=[*ONLINE, *IN_PASSES])
def test_a_cost_is_what_a_course_counts(settings):
    told, runs = cost(settings), course(settings, [0, 3])
    assert runs.total == told.steps * 2
    held = runs.state()
    matrices = {name: w[0] for name, w in held["weights"].items() if name.startswith("weight")}
    assert told.weights == sum(w.size for w in matrices.values())
    one_run = sum(array[0].nbytes for _, array in support.leaves(held))
    assert (
        told.memory > one_run and told.memory == 8 * told.weights * np.dtype(settings["precision"]).itemsize
    )


@pytest.mark.parametrize(
    "settings", [ONLINE["regression"], IN_PASSES["convolutions"]], ids=["online", "passes"]
)
def test_the_steps_are_those_that_a_course_makes(settings):
    """Piece by piece, and for all runs of the group."""
    runs = course(settings, [0, 3])
    pieces = list(runs.pieces())
    assert sum(pieces) == runs.total == 2 * cost(settings).steps == 2 * runs.steps
    assert runs.tasks == settings["length"]


def test_a_cost_grows_with_length_passes_and_precision():
    once = cost(passes.variant(passes.CBP, length=1))
    assert cost(passes.variant(passes.CBP, length=5)).steps == 5 * once.steps
    assert cost(passes.variant(passes.CBP, length=1, epochs=30)).steps == 10 * once.steps
    assert cost(passes.variant(passes.CBP, length=1, precision="float32")).memory == once.memory // 2
    assert cost(passes.variant(passes.CBP, length=5)).memory == once.memory


@pytest.mark.parametrize("name", registry.names("procedures"))
def test_a_procedure_says_what_its_length_counts_and_which_measures_it_takes(name):
    module = registry.module("procedures", name)
    kinds = {registry.module("measures", measure).KIND for measure in registry.names("measures")}
    assert module.LENGTH == module.LENGTH.strip() != "" and module.MEASURES and set(module.MEASURES) <= kinds


def test_a_stream_of_tasks_has_no_tests_and_passes_have():
    online, in_passes = (registry.module("procedures", name) for name in ("task_stream", "task_epochs"))
    assert online.LENGTH == in_passes.LENGTH == "tasks"
    assert set(in_passes.MEASURES) - set(online.MEASURES) == {"test", "passes"}

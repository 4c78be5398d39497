"""Side by side on the regression: eight runs in the lanes of a vector, and the fused loop with the same eight runs.

Data are made on the way where it says so, by the problem, as in a training job. `bench.py` writes the table.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from contenders import measure

from perennial.learning import engines, views
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.mlp import Network, Settings
from perennial.problems import slowly_changing_regression

TASKS, RUNS = 4, engines.GROUPS["lanes"]
ACTIVATIONS = ("relu", "leaky_relu", "tanh", "sigmoid", "elu", "swish")


def rows(algorithms: dict[str, dict[str, Any]]) -> list[str]:
    """The table as markdown: every algorithm with ReLU, backpropagation with every activation, and a linear map."""
    lines = [
        "## slowly-changing regression, 20-5-1, lanes beside fused",
        "",
        "| algorithm | activation | fused, ns | lanes, ns | fused / lanes | data, ns | fused / lanes, with data |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    first, *others = algorithms
    asked = [(first, name, [5]) for name in ACTIVATIONS] + [(first, "none: a linear map", [])]
    for label, activation, hidden in [*asked, *((name, "relu", [5]) for name in others)]:
        found = _measured(algorithms[label], activation if hidden else "relu", hidden)
        if found is None:
            continue
        fused, lanes, data = (statistics.median(found[key]) for key in ("fused", "lanes", "data"))
        ratios = (
            statistics.median((f + k * d) / (n + k * d) for f, n, d in zip(*found.values(), strict=True))
            for k in (0, 1)
        )
        without, with_data = (f"{ratio:.1f}×" for ratio in ratios)
        times = [f"{1e3 * time:.1f}" for time in (fused, lanes, data)]
        lines.append(
            f"| {label} | {activation} | {times[0]} | {times[1]} | {without} | {times[2]} | {with_data} |"
        )
        print(lines[-1], flush=True)
    return [*lines, ""]


def _measured(algorithm: dict[str, Any], activation: str, hidden: list[int]) -> dict[str, list[float]] | None:
    """CPU microseconds per run-step of fused, of lanes and of making the data; None where lanes refuse."""
    settings = slowly_changing_regression.Settings()
    met = [slowly_changing_regression.sequence(settings, seed, TASKS) for seed in range(RUNS)]
    problems = [slowly_changing_regression.Problem(settings, seed, own) for seed, own in enumerate(met)]
    network = Network(Settings(hidden=hidden, activation=activation), settings.inputs, 1)
    networks = views.single(network)
    shape = {"name": "mlp", "hidden": hidden, "activation": activation}
    need = Need({NETWORK: shape}, algorithm, LossSpec("squared_error"), bits=settings.inputs)
    if engines.fits("lanes", need):
        return None

    def learner(engine: str, seeds: list[int]) -> Any:
        made = engines.learner(engine, need, networks, seeds)
        made.load({"weights": networks.init(seeds, 0, "float32")})
        return made

    ready = [[problem.task(index) for problem in problems] for index in range(TASKS)]
    alone, together = [learner("fused", [seed]) for seed in range(RUNS)], learner("lanes", list(range(RUNS)))

    def one_by_one() -> int:
        return sum(
            own.train([task], index).size
            for index, tasks in enumerate(ready)
            for own, task in zip(alone, tasks, strict=True)
        )

    def in_lanes() -> int:
        return sum(together.train(tasks, index).size for index, tasks in enumerate(ready))

    def data() -> int:
        return sum(problem.task(index).steps for index in range(TASKS) for problem in problems)

    contenders: dict[str, Callable[[], int]] = {"fused": one_by_one, "lanes": in_lanes, "data": data}
    return measure(contenders)

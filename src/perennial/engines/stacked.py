"""The definition as an engine: PyTorch with autograd, all runs of a block in one stack.

One batch of one example per run and step; no operation mixes two runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import algorithms, registry
from perennial.algorithms import Clock
from perennial.engines import parse
from perennial.lazy import torch
from perennial.problems import Task

PIECE = 1000  # examples: a second or a few


class StackedTrainer:
    """A stack of runs of one variant; see `perennial.engines.Trainer`.

    Args:
        settings: canonical settings of the variant.
        problem: one run's problem (its loss is used).
        network: shape of the network.
        seeds: one per run, in the order of axis r.
    """

    piece = PIECE

    def __init__(self, settings: dict[str, Any], problem: Any, network: Any, seeds: list[int]) -> None:
        torch.set_num_threads(1)  # one compute thread per worker; more would also change sums
        self.algorithm = registry.module("algorithms", settings["algorithm"]["name"])
        self.hyper = parse("algorithms", settings["algorithm"])
        self.network, self.seeds, self.loss = network, seeds, problem.loss
        self._state: dict[str, Any] = {}

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        self._state = _map(torch.tensor, state)
        if "algorithm" not in state:
            fresh = self.algorithm.init(self.hyper, self.network, self._state["weights"])
            self._state = {"buffers": {}, "problem": {}, **self._state, **fresh}

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        return _map(lambda tensor: tensor.detach().numpy().copy(), self._state)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = len(tasks[0].order) if stop is None else stop
        performance = np.empty((len(tasks), stop - start))
        dtype = self._state["weights"]["bias_0"].dtype
        for step in range(start, stop):
            x = np.stack([task.rows(task.order[step : step + 1]) for task in tasks])  # [r, 1, i]
            y = np.stack([task.targets[task.order[step]] for task in tasks])  # [r]
            clock = Clock(self.seeds, index, step)
            performance[:, step - start] = self._step(
                torch.from_numpy(x).to(dtype), torch.from_numpy(y), clock
            )
        return performance

    def _step(self, x: Any, y: Any, clock: Clock) -> np.ndarray:
        """Forward, backward and the algorithm's update; the performance before it, [r]."""
        weights = self._state["weights"]
        leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
        hooks = algorithms.hooks(self.algorithm, self.hyper, {**self._state, "weights": leaves}, clock)
        outputs, features = self.network.forward(leaves, x, **hooks)
        loss, performance = self._judge(outputs[:, 0], y)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        with torch.no_grad():
            features = [h.detach() for h in features]
            self.algorithm.update(self.hyper, self.network, self._state, gradients, features, clock)
        return performance.detach().numpy()

    def _judge(self, outputs: Any, y: Any) -> tuple[Any, Any]:
        """Loss summed over the (independent) runs, and the performance of each run; outputs [r, o], y [r]."""
        if self.loss == "squared_error":
            error = (outputs[:, 0] - y.to(outputs.dtype)) ** 2
            return error.sum(), error
        loss = torch.nn.functional.cross_entropy(outputs, y, reduction="sum")
        return loss, (outputs.argmax(1) == y).to(outputs.dtype)


def probe(settings: dict[str, Any], network: Any, state: dict[str, Any], x: np.ndarray) -> list[np.ndarray]:
    """Hidden activations of one run as its algorithm shows them: x [b, i] -> a list of [b, h].

    In plain numpy where the algorithm leaves the forward pass alone.

    Args:
        settings: of the algorithm.
        state: as from `Trainer.state`, of a single run, axis r of length 1; nothing in it changes.
    """
    algorithm = registry.module("algorithms", settings["name"])
    if not algorithms.hooks(algorithm, None, state, None):
        return network.features({name: w[0] for name, w in state["weights"].items()}, x)
    own = _map(torch.tensor, state)
    with torch.no_grad():
        hooks = algorithms.hooks(algorithm, parse("algorithms", settings), own, None)
        _, features = network.forward(
            own["weights"], torch.from_numpy(x)[None], **hooks
        )  # [b, i] -> [1, b, i]
    return [h[0].numpy() for h in features]


def run_of(state: dict[str, Any], run: int) -> dict[str, Any]:
    """The state of one run of a stack, axis r of length 1."""
    return _map(lambda array: np.ascontiguousarray(array[run : run + 1]), state)


def _map(function: Any, tree: Any) -> Any:
    """Apply a function to every leaf of nested dicts."""
    if isinstance(tree, dict):
        return {key: _map(function, value) for key, value in tree.items()}
    return function(tree)

"""The definition as an engine: PyTorch with autograd, all runs of a block in one stack.

No operation mixes two runs. For fully connected networks, one example per run and step, that is enough to keep a
run's bits its own. Otherwise each run is a stack by itself: libraries choose how they convolve, or multiply two
matrices, by the place of these in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms
from perennial.learning.algorithms import Clock
from perennial.problems import Task

PIECE = 1000  # steps: a second or a few
TEST_BATCH = 100  # examples that are predicted at once


class StackedTrainer:
    """A stack of runs of one variant; see `perennial.learning.engines.Trainer`.

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
        self.hyper = registry.parse("algorithms", settings["algorithm"])
        self.network, self.seeds, self.loss = network, seeds, problem.loss
        together = getattr(network, "stackable", False) and "batch_size" not in settings.get("procedure", {})
        size = len(seeds) if together else 1
        self._runs = [slice(first, first + size) for first in range(0, len(seeds), size)]  # of each stack
        self._states: list[dict[str, Any]] = []

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        self._states = [
            self._begun(_map(lambda array, r=runs: torch.tensor(array[r]), state)) for runs in self._runs
        ]

    def _begun(self, state: dict[str, Any]) -> dict[str, Any]:
        """One stack's state with all its branches."""
        if "algorithm" in state:
            return state
        fresh = self.algorithm.init(self.hyper, self.network, state["weights"])
        return {"buffers": {}, "problem": {}, **state, **fresh}

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        return _joined([_map(lambda tensor: tensor.detach().numpy(), state) for state in self._states])

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        performance = np.empty((len(tasks), stop - start))
        for runs, state in zip(self._runs, self._states, strict=True):
            for step in range(start, stop):
                clock = Clock(self.seeds[runs], index, step)
                performance[runs, step - start] = self._step(state, tasks[runs], clock)
        return performance

    def _step(self, state: dict[str, Any], tasks: list[Task], clock: Clock) -> np.ndarray:
        """Forward, backward and the algorithm's update of one stack; the performance before it, [r]."""
        weights = state["weights"]
        x, y = _batch(tasks, clock.step, weights["bias_0"].dtype)
        leaves = {name: w.detach().requires_grad_() for name, w in weights.items()}
        hooks = algorithms.hooks(self.algorithm, self.hyper, {**state, "weights": leaves}, clock)
        outputs, features = self.network.forward(leaves, x, **hooks)
        loss, performance = judge(self.loss, outputs, y)
        gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
        with torch.no_grad():
            features = [h.detach() for h in features]
            self.algorithm.update(self.hyper, self.network, state, gradients, features, clock)
        return performance.detach().numpy()


def judge(kind: str, outputs: Any, y: Any) -> tuple[Any, Any]:
    """Loss, a mean over the batch, summed over the (independent) runs; and the performance of each run, [r].

    Args:
        kind: squared_error or cross_entropy.
        outputs: [r, b, o].
        y: [r, b].
    """
    if kind == "squared_error":
        error = (outputs[:, :, 0] - y.to(outputs.dtype)) ** 2  # [r, b]
        return error.sum() / y.shape[1], error.mean(1)
    loss = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), y.flatten(), reduction="sum")
    return loss / y.shape[1], (outputs.argmax(2) == y).to(torch.float64).mean(1)


def _batch(tasks: list[Task], step: int, dtype: Any) -> tuple[Any, Any]:
    """What one step shows: inputs [r, b, i] and targets [r, b]. Copies, which torch lays where it likes them."""
    rows = [task.order[step * task.batch : (step + 1) * task.batch] for task in tasks]
    x = np.stack([task.rows(shown) for task, shown in zip(tasks, rows, strict=True)])
    y = np.stack([task.targets[shown] for task, shown in zip(tasks, rows, strict=True)])
    return torch.tensor(x, dtype=dtype), torch.tensor(y)


def predict(settings: dict[str, Any], network: Any, state: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Outputs of one run as its algorithm shows them when it does not learn: x [b, i] -> [b, o].

    Args:
        settings: of the algorithm.
        state: as from `Trainer.state`, of a single run, axis r of length 1; nothing in it changes.
    """
    own = _map(torch.tensor, state)
    hooks = _probe_hooks(settings, own)
    inputs = torch.tensor(x, dtype=own["weights"]["bias_0"].dtype)[None]  # [b, i] -> [1, b, i]
    with torch.no_grad():
        parts = [
            network.forward(own["weights"], part, **hooks)[0][0] for part in inputs.split(TEST_BATCH, dim=1)
        ]
    return torch.cat(parts).numpy()


def probe(settings: dict[str, Any], network: Any, state: dict[str, Any], x: np.ndarray) -> list[np.ndarray]:
    """Hidden activations of one run as its algorithm shows them: x [b, i] -> a list of [b, h].

    In plain numpy where the algorithm leaves the forward pass alone.

    Args:
        settings: of the algorithm.
        state: as from `Trainer.state`, of a single run, axis r of length 1; nothing in it changes.
    """
    if not _probe_hooks(settings, state):
        return network.features({name: w[0] for name, w in state["weights"].items()}, x)
    own = _map(torch.tensor, state)
    with torch.no_grad():
        hooks = _probe_hooks(settings, own)
        _, features = network.forward(
            own["weights"], torch.from_numpy(x)[None], **hooks
        )  # [b, i] -> [1, b, i]
    return [h[0].numpy() for h in features]


def _probe_hooks(settings: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    algorithm = registry.module("algorithms", settings["name"])
    return algorithms.hooks(algorithm, registry.parse("algorithms", settings), state, None)


def run_of(state: dict[str, Any], run: int) -> dict[str, Any]:
    """The state of one run of a stack, axis r of length 1."""
    return _map(lambda array: np.ascontiguousarray(array[run : run + 1]), state)


def _map(function: Any, tree: Any) -> Any:
    """Apply a function to every leaf of nested dicts."""
    if isinstance(tree, dict):
        return {key: _map(function, value) for key, value in tree.items()}
    return function(tree)


def _joined(trees: list[Any]) -> Any:
    """Nested dicts of equal keys, leaves joined along axis r; copies."""
    if isinstance(trees[0], dict):
        return {key: _joined([tree[key] for tree in trees]) for key in trees[0]}
    return np.concatenate(trees)

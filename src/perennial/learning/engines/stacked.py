"""The definition as an engine: PyTorch with autograd, all runs of a group in one stack.

No operation mixes two runs. For fully connected networks, one example per run and step, that is enough to keep a
run's bits its own. Otherwise each run is a stack by itself: libraries choose how they convolve, or multiply two
matrices, by the place of these in memory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms, losses, tree
from perennial.learning.algorithms import Clock
from perennial.learning.learner import Need, State
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.views import Networks
from perennial.problems import Task

PIECE = 1000  # steps of a piece of a task at most
WORK = 2_000_000_000  # weights of all runs times examples of a piece of a task: a second or a few
TEST_BATCH = 100  # examples that are predicted at once


class StackedLearner:
    """A `Learner` for anything, and a `TaskLearner`; see `perennial.learning.learner`.

    Args:
        need: what is asked for; anything.
        networks: of one run.
        seeds: one per run, in the order of axis r.
        device: cpu.
    """

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        torch.set_num_threads(1)  # one compute thread per worker; more would also change sums
        self.algorithm = registry.module("algorithms", need.algorithm["name"])
        self.hyper = registry.parse("algorithms", dict(need.algorithm))
        self.networks, self.seeds, self.loss = networks, seeds, need.loss
        shapes = [shape for view in networks.views.values() for shape in view.network.shapes]
        weights = len(seeds) * sum(map(math.prod, shapes))
        self.piece = min(max(WORK // (weights * need.batch), 1), PIECE)
        size = len(seeds) if networks.stackable and need.batch == 1 else 1
        self._runs = [slice(first, first + size) for first in range(0, len(seeds), size)]  # of each stack
        self._states: list[State] = []

    def load(self, state: State) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        stacks = [tree.each(lambda array, r=runs: array[r], state) for runs in self._runs]
        self._states = [self._begun(stack) for stack in stacks]

    def _begun(self, state: State) -> State:
        """One stack's state with all its branches, as tensors."""
        return tree.each(torch.tensor, algorithms.begun(self.algorithm, self.hyper, self.networks, state))

    def state(self) -> State:
        """The state as numpy arrays (copies)."""
        return tree.joined(
            [tree.each(lambda tensor: tensor.detach().numpy(), state) for state in self._states]
        )

    def step(
        self, loss: LossSpec, batch: Mapping[str, np.ndarray], clock: Clock, rate: float = 1.0
    ) -> np.ndarray:
        """One update of every run from a batch [r, b, ...]; the performance before it, [r]."""
        performance = np.empty(len(self.seeds))
        for runs, state in zip(self._runs, self._states, strict=True):
            own = {name: _shown(array[runs], state) for name, array in batch.items()}
            own_clock = clock._replace(seeds=self.seeds[runs])
            performance[runs] = take_step(
                self.algorithm, self.hyper, self.networks, state, loss, own, own_clock, rate
            )
        return performance

    def predict(self, run: int, x: np.ndarray, name: str = NETWORK) -> np.ndarray:
        """Outputs of one run's network as its algorithm shows them when it does not learn: x [b, i] -> [b, o]."""
        stack = next(k for k, runs in enumerate(self._runs) if runs.start <= run < runs.stop)
        r = run - self._runs[stack].start
        own = tree.each(lambda tensor: tensor[r : r + 1], self._states[stack])
        return forward(self.algorithm, self.hyper, self.networks, own, x, name)

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        performance = np.empty((len(tasks), stop - start))
        for step in range(start, stop):
            rows = [task.order[step * task.batch : (step + 1) * task.batch] for task in tasks]
            batch = {
                "inputs": np.stack([task.rows(shown) for task, shown in zip(tasks, rows, strict=True)]),
                "targets": np.stack([task.targets[shown] for task, shown in zip(tasks, rows, strict=True)]),
            }
            performance[:, step - start] = self.step(self.loss, batch, Clock(self.seeds, index, step))
        return performance


def _shown(array: np.ndarray, state: State) -> Any:
    """A copy, which torch lays where it likes it; floating numbers in the precision of the weights."""
    precision = next(iter(state["weights"].values())).dtype
    return torch.tensor(
        array, dtype=precision if array.dtype.kind == "f" or array.dtype == np.uint8 else None
    )


def take_step(
    algorithm: Any,
    hyper: Any,
    networks: Networks,
    state: State,
    loss: LossSpec,
    batch: Mapping[str, Any],
    clock: Clock,
    rate: Any,
) -> Any:
    """Forward, backward and the algorithm's update of one stack, in place; the performance before it, [r].

    It asks nothing of the host, so that it can be recorded.
    """
    leaves = {name: w.detach().requires_grad_() for name, w in state["weights"].items()}
    features: dict[str, Any] = {}

    def run(name: str, x: Any) -> Any:
        view, shown = networks.views[name], {**state, "weights": leaves}
        hooks = algorithms.hooks(algorithm, hyper, shown, clock, networks, name)
        mode = buffers(view, state, "train")
        outputs, hidden = view.network.forward(view.own(leaves), x, **hooks, **mode)
        for index, h in enumerate(hidden):
            key = networks.layer(name, index).key
            features[key] = h if key not in features else torch.cat([features[key], h], dim=1)  # [r, b, h]
        return outputs

    with torch.enable_grad():
        each, performance = losses.get(loss.name)(run, batch, loss.settings)  # [r]
        found = torch.autograd.grad(each.sum(), list(leaves.values()), allow_unused=True)
    gradients = {name: g for name, g in zip(leaves, found, strict=True) if g is not None}
    with torch.no_grad():
        shown = {key: h.detach() for key, h in features.items()}
        algorithm.update(hyper, networks, state, gradients, shown, clock, rate)
    return performance.detach()


def buffers(view: Any, state: State, mode: str) -> dict[str, Any]:
    """What a network with buffers is given beside its weights, as arguments for `Network.forward`."""
    return {"buffers": view.own(state["buffers"]), "mode": mode} if view.has_buffers else {}


def forward(
    algorithm: Any, hyper: Any, networks: Networks, state: State, x: np.ndarray, name: str = NETWORK
) -> np.ndarray:
    """Outputs [b, o] of one run as its algorithm shows them when it does not learn, for inputs x [b, i].

    Args:
        state: tensors of a single run, axis r of length 1; nothing in it changes.
    """
    view = networks.views[name]
    hooks = algorithms.hooks(algorithm, hyper, state, None, networks, name)
    weights = view.own(algorithms.looked_at(algorithm, hyper, state))
    one = next(iter(weights.values()))
    inputs = torch.tensor(x, dtype=one.dtype, device=one.device)[None]  # [b, i] -> [1, b, i]
    with torch.no_grad():
        parts = [
            view.network.forward(weights, part, **hooks, **buffers(view, state, "test"))[0][0]
            for part in inputs.split(TEST_BATCH, dim=1)
        ]
    return torch.cat(parts).cpu().numpy()


def probe(
    settings: Mapping[str, Any], networks: Networks, state: State, x: np.ndarray, name: str = NETWORK
) -> list[np.ndarray]:
    """Hidden activations of one run as its algorithm shows them: x [b, i] -> a list of [b, h].

    In plain numpy where the algorithm leaves the forward pass alone.

    Args:
        settings: of the algorithm.
        state: numpy arrays of a single run, axis r of length 1; nothing in it changes.
    """
    algorithm, hyper = (
        registry.module("algorithms", settings["name"]),
        registry.parse("algorithms", dict(settings)),
    )
    view = networks.views[name]
    hooked = algorithms.hooks(algorithm, hyper, state, None, networks, name) or view.has_buffers
    if not hooked:
        weights = view.own(algorithms.looked_at(algorithm, hyper, state))
        return view.network.features({name: w[0] for name, w in weights.items()}, x)
    own = tree.each(torch.tensor, state)
    with torch.no_grad():
        hooks = algorithms.hooks(algorithm, hyper, own, None, networks, name)
        weights, mode = view.own(algorithms.looked_at(algorithm, hyper, own)), buffers(view, own, "probe")
        _, features = view.network.forward(weights, torch.from_numpy(x)[None], **hooks, **mode)
    return [h[0].numpy() for h in features]

"""The dense engine: moves each run of a group through its tasks, mini-batch by mini-batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import registry
from perennial.lazy import torch
from perennial.learning import algorithms, tree
from perennial.learning.engines import fast_path
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK
from perennial.learning.views import Networks
from perennial.problems import Task
from perennial.streams import compiled  # noqa: F401  from here on the problems' words are drawn by compiled code


class DenseTrainer:
    """A group of runs of one variant; a `TaskLearner` of `perennial.learning.learner`.

    Args:
        need: what is asked for; `covers` has none against it.
        networks: of one run: a fully connected one.
        seeds: one per run, in the order of axis r.
        device: cpu.
    """

    piece = 1000  # steps: a second or a few

    def __init__(self, need: Need, networks: Networks, seeds: list[int], device: str = "cpu") -> None:
        torch.set_num_threads(1)
        name = need.algorithm["name"]
        self.module, self.algorithm = fast_path("dense", name), registry.module("algorithms", name)
        self.hyper, self.seeds, self.networks = (
            registry.parse("algorithms", dict(need.algorithm)),
            seeds,
            networks,
        )
        self.network = networks.views[NETWORK].network
        self._runs: list[Run] = []

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state; missing optimiser and algorithm branches start fresh."""
        whole = algorithms.begun(self.algorithm, self.hyper, self.networks, state)
        self._runs = [Run(self, tree.run_of(whole, r)) for r in range(len(self.seeds))]

    def state(self) -> dict[str, Any]:
        """The state as numpy arrays (copies)."""
        return tree.joined([run.state() for run in self._runs])

    def train(self, tasks: list[Task], index: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Learn one task, or a piece of it, in every run: performance [r, steps]."""
        stop = tasks[0].steps if stop is None else stop
        return np.stack([run.train(task, start, stop) for run, task in zip(self._runs, tasks, strict=True)])

    def predict(self, run: int, x: np.ndarray) -> np.ndarray:
        """Outputs of one run: x [b, i] -> [b, o]."""
        return self._runs[run].forward(x.astype(self._runs[run].weights.dtype))[-1]


class Run:
    """One run: its arrays as flat vectors, and views of them by layer.

    Args:
        trainer: whose run it is.
        state: of this run, axis r of length 1.
    """

    def __init__(self, trainer: DenseTrainer, state: dict[str, Any]) -> None:
        self.network, self.module, self.hyper = trainer.network, trainer.module, trainer.hyper
        self.names = list(state["weights"])
        self.shapes = {name: array.shape[1:] for name, array in state["weights"].items()}
        self.weights, self.rest = self._flat(state["weights"]), state
        self.gradients = np.empty_like(self.weights)
        own = state["optimiser"]
        self.memories = {name: self._flat(own[name]) for name in self.module.MEMORIES if name in own}
        self.updates = int(own["step"][0]) if "step" in own else 0
        self.of, self.to = self._views(self.weights), self._views(self.gradients)

    def train(self, task: Task, start: int, stop: int) -> np.ndarray:
        """Learn the steps from `start` on; performance [steps]."""
        table = task.rows(np.arange(len(task.targets))).astype(self.weights.dtype)
        memories = list(self.memories.values())
        performance, batch = np.empty(stop - start), np.arange(task.batch)
        for step in range(start, stop):
            rows = task.order[step * task.batch : (step + 1) * task.batch]
            targets = task.targets[rows]
            shown = self.forward(table[rows])
            performance[step - start] = int((shown[-1].argmax(1) == targets).sum()) / task.batch
            self._backward(shown, targets, batch)
            self.updates += 1
            self.module.step(self.hyper, self.weights, self.gradients, memories, self.updates)
        return performance

    def forward(self, x: np.ndarray) -> list[np.ndarray]:
        """x [b, i] -> x, then of each hidden layer what its activation gives and what it hands on, and the outputs."""
        found, tanh = [x], self.network.activation == "tanh"
        for layer, adds in enumerate(self.network.adds):
            z = x @ self.of[f"weight_{layer}"]
            z += self.of[f"bias_{layer}"]
            h = np.tanh(z, out=z) if tanh else np.maximum(z, 0, out=z)
            x = x + h if adds else h
            found += [h, x]
        head = self.network.layers - 1
        outputs = x @ self.of[f"weight_{head}"]
        outputs += self.of[f"bias_{head}"]
        return [*found, outputs]

    def _backward(self, shown: list[np.ndarray], targets: np.ndarray, batch: np.ndarray) -> None:
        """Gradients of the mean of -log softmax at the label."""
        outputs, head = shown[-1], self.network.layers - 1
        d = np.exp(outputs - outputs.max(axis=1, keepdims=True))  # [b, o]
        d /= d.sum(axis=1, keepdims=True)
        d[batch, targets] -= 1
        d /= len(batch)
        self._of_layer(head, shown[-2], d)
        passed = outputs  # nothing yet: the head does not add to its input
        for layer in reversed(range(head)):
            above, h = d @ self.of[f"weight_{layer + 1}"].T, shown[2 * layer + 1]
            if layer + 1 < head and self.network.adds[layer + 1]:
                above += passed  # what reaches a residual layer's sum also reaches its input
            passed = above
            d = above * (1 - h * h) if self.network.activation == "tanh" else above * (h > 0)
            self._of_layer(layer, shown[2 * layer], d)

    def _of_layer(self, layer: int, x: np.ndarray, d: np.ndarray) -> None:
        """x [b, i], d [b, o]."""
        np.matmul(x.T, d, out=self.to[f"weight_{layer}"])
        d.sum(axis=0, out=self.to[f"bias_{layer}"])

    def state(self) -> dict[str, Any]:
        """Copies, [1, ...]."""
        optimiser: dict[str, Any] = {name: self._apart(flat) for name, flat in self.memories.items()}
        if "step" in self.rest["optimiser"]:
            optimiser["step"] = np.array([self.updates])
        same = {
            branch: tree.each(np.copy, self.rest[branch]) for branch in ("buffers", "problem", "algorithm")
        }
        return {**same, "weights": self._apart(self.weights), "optimiser": optimiser}

    def _flat(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate([arrays[name].ravel() for name in self.names])

    def _views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        found, place = {}, 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            found[name] = flat[place : place + size].reshape(shape)
            place += size
        return found

    def _apart(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        return {name: view[None].copy() for name, view in self._views(flat).items()}

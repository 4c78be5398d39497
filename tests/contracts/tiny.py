"""Tiny learners of every kind for the contracts: networks, needs, batches and tasks, without problem or procedure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pydantic
import torch
from fidelity import support

from perennial import registry
from perennial.learning import engines, losses, tree
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.views import Networks
from perennial.problems import Task
from perennial.streams.clock import Clock

SEEDS = [4, 1, 7]
INPUTS, CLASSES, IMAGE = 6, 3, (1, 16, 16)
MLP = {"name": "mlp", "hidden": [5, 4], "activation": "tanh"}
CONVNET = {"name": "convnet", "channels": [2, 3], "hidden": [4]}
RESNET = {"name": "resnet18", "widths": [2, 3], "blocks": 1}
EXAMPLES = 40  # of a task
# Rates so high that in twenty steps units of every layer are renewed, several in some of them.
OVERRIDES: dict[str, dict[str, Any]] = {"cbp": {"replacement_rate": 0.2, "maturity_threshold": 2}}


@losses.register
def policy_and_value(
    forward: losses.Forward, batch: Mapping[str, Any], settings: Mapping[str, Any]
) -> tuple[Any, Any]:
    """-log softmax of the policy at the action, and the squared error of the value: two networks in one step."""
    logits = torch.log_softmax(forward("policy", batch["inputs"]), 2)  # [r, b, action]
    chosen = logits.gather(2, batch["targets"].unsqueeze(2))[:, :, 0]  # [r, b]
    error = (forward("value", batch["inputs"])[:, :, 0] - batch["targets"]) ** 2
    return (error - chosen).mean(1), error.mean(1)


class Case:
    """A kind of learner: its networks, and what it is shown.

    Args:
        networks: name -> settings.
        loss: by name.
        batch: examples of a step.
        outputs: name -> number of outputs, where it is not that of the classes.
        shared: see `Networks`.
        inputs: where they are no images.
        bits: whether they are 0 or 1.
    """

    def __init__(
        self,
        networks: dict[str, Any],
        loss: str = "cross_entropy",
        batch: int = 1,
        outputs: Mapping[str, int] | None = None,
        shared: Any = None,
        inputs: int = INPUTS,
        bits: bool = False,
    ) -> None:
        self.settings, self.loss, self.batch, self.shared = networks, loss, batch, shared
        self.outputs, self.bits = outputs or {}, bits
        self.images = any(own["name"] not in ("mlp", "residual_mlp") for own in networks.values())
        self.inputs = int(np.prod(IMAGE)) if self.images else inputs

    def networks(self) -> Networks:
        """The networks of a run."""
        made = {}
        for name, own in self.settings.items():
            module, shape = registry.module("networks", own["name"]), IMAGE if self.images else None
            outputs = self.outputs.get(name, CLASSES)
            made[name] = module.Network(registry.parse("networks", own), self.inputs, outputs, shape)
        return Networks(made, self.shared)

    def need(self, algorithm: Mapping[str, Any], precision: str = "float64", **changes: Any) -> Need:
        """What a course asks of an engine; whole tasks where there is one network, unless said otherwise."""
        given = {"tasks": NETWORK in self.settings, "shared": bool(self.shared), "precision": precision}
        given["bits"] = self.inputs if self.bits else 0
        return Need(self.settings, algorithm, LossSpec(self.loss), self.batch, **{**given, **changes})

    def learner(
        self, algorithm: Mapping[str, Any], engine: str = "stacked", seeds: list[int] = SEEDS, **changes: Any
    ) -> Any:
        """A learner with its first weights."""
        need, networks = self.need(algorithm, **changes), self.networks()
        made = engines.learner(engine, need, networks, seeds)
        buffers = networks.buffers(len(seeds), need.precision)
        made.load({"weights": networks.init(seeds, 0, need.precision), "buffers": buffers})
        return made

    def task(self, seed: int, index: int = 0, steps: int = 20) -> Task:
        """A task of one run."""
        draw = np.random.default_rng([seed, index])
        inputs = draw.normal(size=(EXAMPLES, self.inputs)).astype(np.float32)
        inputs = (inputs > 0).astype(np.float32) if self.bits else inputs
        kind = float if self.loss == "squared_error" else np.int64
        targets = draw.integers(0, CLASSES, EXAMPLES).astype(kind)
        return Task(inputs, targets, draw.integers(0, EXAMPLES, steps * self.batch), batch=self.batch)

    def batch_of(self, seeds: list[int], step: int) -> dict[str, np.ndarray]:
        """What all runs see in a step: inputs [r, b, i] and targets [r, b]."""
        tasks = [self.task(seed) for seed in seeds]
        rows = [task.order[step * self.batch : (step + 1) * self.batch] for task in tasks]
        shown = list(zip(tasks, rows, strict=True))
        return {
            "inputs": np.stack([task.inputs[own] for task, own in shown]),
            "targets": np.stack([task.targets[own] for task, own in shown]),
        }

    def walk(
        self, learner: Any, start: int = 0, stop: int = 20, seeds: list[int] = SEEDS, rate: float = 1.0
    ) -> None:
        """Single steps, from one to another."""
        for step in range(start, stop):
            learner.step(LossSpec(self.loss), self.batch_of(seeds, step), Clock(seeds, 0, step), rate)


CASES = {
    "online": Case({NETWORK: MLP}),
    "regression": Case({NETWORK: MLP}, "squared_error", outputs={NETWORK: 1}),
    # The network that the tests of the compiled loops train, so that a loop is compiled once.
    "compiled": Case(
        {NETWORK: {"name": "mlp", "hidden": [5]}},
        "squared_error",
        outputs={NETWORK: 1},
        inputs=20,
        bits=True,
    ),
    "mini-batches": Case({NETWORK: MLP}, batch=4),
    "convolutions": Case({NETWORK: CONVNET}, batch=4),
    "residual": Case({NETWORK: RESNET}, batch=4),
    "policy and value": Case({"policy": MLP, "value": MLP}, "policy_and_value", outputs={"value": 1}),
    "two that share a layer": Case(
        {"policy": MLP, "value": MLP},
        "policy_and_value",
        batch=4,
        outputs={"value": 1},
        shared={("value", name): ("policy", name) for name in ("weight_0", "bias_0")},
    ),
}


def hyper(algorithm: str, **changes: Any) -> dict[str, Any]:
    """Hyper-parameters of an algorithm, under which all that it does happens within twenty steps."""
    return {**support.hyper(algorithm), **OVERRIDES.get(algorithm, {}), **changes}


def variations(algorithm: str) -> Iterator[dict[str, Any]]:
    """The same; then one for each value of each choice that its settings allow, on each optimiser where it has some.

    What settings forbid (momentum on Adam) is left out.
    """
    chosen = engines.choices(registry.module("algorithms", algorithm).Settings)
    given = [hyper(algorithm)]
    for optimiser in chosen.get("optimiser", (None,)):
        base = {} if optimiser is None else {"optimiser": optimiser}
        given += [
            hyper(algorithm, **{**base, key: value}) for key, values in chosen.items() for value in values
        ]
    seen: list[dict[str, Any]] = []
    for one in given:
        try:
            registry.parse("algorithms", one)
        except pydantic.ValidationError:
            continue
        if one not in seen:
            seen.append(one)
            yield one


def close(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    """Assert that two states have one layout and equal numbers; what is no number in one is none in the other."""
    a, b = dict(tree.leaves(one)), dict(tree.leaves(other))
    assert a.keys() == b.keys()
    for path in a:
        assert a[path].dtype == b[path].dtype, path
        np.testing.assert_allclose(a[path], b[path], rtol=tolerance, atol=tolerance, err_msg=path)


def label(algorithm: Mapping[str, Any]) -> str:
    """`cbp utility=weight`, for the names of tests."""
    plain = hyper(str(algorithm["name"]))
    changed = [f"{key}={value}" for key, value in algorithm.items() if plain.get(key) != value]
    return " ".join([str(algorithm["name"]), *changed])

"""Side by side on Continual ImageNet: plain PyTorch, the definition and the pooled engine; one run, mini-batches.

Real images, from the user's folder; the contenders start from equal weights and learn the first task.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from contenders import measure
from plain import PlainConvnet

from perennial import datasets
from perennial.learning import engines, views
from perennial.learning.learner import Need
from perennial.learning.losses import NETWORK, LossSpec
from perennial.learning.networks.convnet import Network, Settings
from perennial.problems import continual_imagenet

ALGORITHMS: dict[str, dict[str, Any]] = {
    "backprop": {"name": "backprop", "step_size": 0.01},
    "L2": {"name": "l2", "step_size": 0.01, "weight_decay": 1e-5},
    "S&P": {"name": "shrink_and_perturb", "step_size": 0.01, "weight_decay": 1e-5, "noise_std": 1e-5},
    "CBP": {"name": "cbp", "step_size": 0.01, "replacement_rate": 3e-4, "count": "layer_width"},
}


@dataclass
class Bench:
    """One network and the task that it learns.

    Args:
        channels, hidden: of the network.
        batch, steps: examples of a mini-batch, and how many of these a contender learns in a round.
        problem: of one run.
    """

    channels: list[int]
    hidden: list[int]
    batch: int
    steps: int
    problem: Any

    def __post_init__(self) -> None:
        settings = Settings(channels=self.channels, hidden=self.hidden)
        self.network = Network(settings, self.problem.inputs, self.problem.outputs, self.problem.shape)
        task = self.problem.task(0)
        self.task = replace(task, order=task.order[: self.steps * self.batch], batch=self.batch)

    @property
    def title(self) -> str:
        """For the table."""
        shape = "-".join(map(str, [*self.channels, *self.hidden]))
        return f"Continual ImageNet, {shape}, mini-batches of {self.batch}, momentum"

    def row(self, algorithm: dict[str, Any]) -> dict[str, list[float]]:
        """CPU microseconds per step of every contender, one number a round."""
        algorithm = {**algorithm, "momentum": 0.9}
        return measure(
            {
                "plain": self._plain(algorithm, torch.contiguous_format),
                "plain, channels last": self._plain(algorithm, torch.channels_last),
                "stacked": self._engine("stacked", algorithm),
                "pooled": self._engine("pooled", algorithm),
            }
        )

    def _plain(self, algorithm: dict[str, Any], memory_format: Any) -> Callable[[], int]:
        plain = PlainConvnet(self.network, algorithm, self.task, memory_format)

        def contend() -> int:
            plain.learn()
            return self.steps

        return contend

    def _engine(self, engine: str, algorithm: dict[str, Any]) -> Callable[[], int]:
        networks, loss = views.single(self.network), LossSpec(self.problem.loss)
        need = Need({NETWORK: {"name": "convnet"}}, algorithm, loss, self.batch, passes=True)
        learner = engines.learner(engine, need, networks, [0])
        learner.load({"weights": networks.init([0], 0, "float32")})

        def contend() -> int:
            learner.train([self.task], 0)
            return self.steps

        return contend


def benches(root: str | None) -> list[Bench]:
    """The published network and the laptop's.

    Raises:
        datasets.DataError: the images are not at hand.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "imagenet32.h5"
        datasets.make("imagenet32", file, root)
        images = datasets.read(file)  # stays mapped
    settings = continual_imagenet.Settings(
        classes=2, train_per_class=min(500, int(images["counts"][:2].min()) - 1), test_per_class=1
    )
    met = continual_imagenet.sequence(settings, 0, 1)
    problem = continual_imagenet.Problem(settings, 0, met, images)
    return [
        Bench([32, 64, 128], [128, 128], 100, 8, problem),
        Bench([8, 16, 32], [32, 32], 25, 40, problem),
    ]

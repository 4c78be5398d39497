"""A policy that draws actions from a Gaussian whose spread does not depend on what is seen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms import Hook
from perennial.learning.networks import mlp

CHUNK = 64  # steps whose noise is drawn at once
LOG_ROOT = 0.5 * math.log(2 * math.pi)


class Policy:
    """A network of mean actions, and one more parameter of its own, `log_std` [r, o], which begins at 0.

    Args:
        network: observations -> mean actions.
        actions: number of outputs o.
    """

    def __init__(self, network: Any, actions: int) -> None:
        self.network, self.actions = network, actions
        self.names = [*network.names, "log_std"]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def init(
        self, seed: int, task: int = 0, dtype: str = "float32", address: int = 0
    ) -> dict[str, np.ndarray]:
        """Fresh parameters of one run."""
        return {**self.network.init(seed, task, dtype, address), "log_std": np.zeros(self.actions, dtype)}

    def forward(
        self,
        weights: dict[str, Any],
        x: Any,
        pre_activation: Hook = mlp.keep,
        post_activation: Hook = mlp.keep,
    ) -> tuple[Any, list[Any]]:
        """Means and log-deviations beside each other, [r, b, 2 o], and the hidden activations."""
        means, hidden = self.network.forward(weights, x, pre_activation, post_activation)
        spread = weights["log_std"].unsqueeze(1).expand_as(means)  # [r, o] -> [r, b, o]
        return torch.cat([means, spread], dim=2), hidden


class Noise:
    """Standard normals of a seed's policy: [o] for each step, a function of seed and step alone."""

    def __init__(self, seed: int, actions: int) -> None:
        self.seed, self.actions = seed, actions
        self.chunk, self.drawn = -1, np.empty((0, 0), np.float32)

    def at(self, step: int) -> np.ndarray:
        """[o] float32."""
        if step // CHUNK != self.chunk:
            self.chunk = step // CHUNK
            address = streams.Address(streams.POLICY, self.seed, step=self.chunk)
            self.drawn = streams.normals(address, CHUNK * self.actions).reshape(CHUNK, self.actions)
        return self.drawn[step % CHUNK]


def log_probability(actions: Any, outputs: Any) -> Any:
    """log pi(action): actions [r, b, o], a policy's outputs [r, b, 2 o] -> [r, b]."""
    means, log_std = outputs.chunk(2, dim=2)
    z = (actions - means) * torch.exp(-log_std)
    return (-0.5 * z * z - log_std - LOG_ROOT).sum(2)

"""Continual backpropagation on a convolutional network for one run, written a second time: unit by unit.

It follows the description of the algorithm, not our code: nothing is imported from it but the random numbers. The
gradient is PyTorch's, of a network written in the usual way. Weights are kept as PyTorch does: [o, i, k, k], [o, i].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from perennial import streams
from perennial.streams import Address


@dataclass
class Unit:
    """What continual backpropagation remembers of one channel or unit."""

    utility: float = 0.0
    mean: float = 0.0
    age: int = 0


@dataclass
class ConvOracle:
    """One run.

    Args:
        options: hyper-parameters by the names of the settings.
        weights, biases: of each layer, in double precision; convolutions first.
    """

    options: dict[str, Any]
    weights: list[torch.Tensor]
    biases: list[torch.Tensor]
    seed: int
    renewed: list[tuple[int, int]] = field(default_factory=list)  # (layer, unit) of the last step, in order

    def __post_init__(self) -> None:
        self.units = [[Unit() for _ in range(len(w))] for w in self.weights[:-1]]
        self.saved = [0.0] * (len(self.weights) - 1)
        self.velocity = [[torch.zeros_like(a) for a in arrays] for arrays in (self.weights, self.biases)]

    def step(self, x: torch.Tensor, y: torch.Tensor, step: int) -> None:
        """Learn one mini-batch of images [b, 3, 32, 32]."""
        outputs = self._learn(x, y)
        due = [self._judge(layer, outputs[layer].numpy()) for layer in range(len(self.units))]
        self.renewed = [(layer, unit) for layer, chosen in enumerate(due) for unit in chosen]
        for layer, unit in self.renewed:
            self._renew(layer, unit, step)

    def _learn(self, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        arrays = [*self.weights, *self.biases]
        for a in arrays:
            a.requires_grad_()
        h, outputs = x, []
        for layer, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if w.dim() == 4:
                h = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(h, w, b)), 2)
            else:
                h = torch.nn.functional.linear(h.flatten(1), w, b)
                h = torch.relu(h) if layer < len(self.weights) - 1 else h
            outputs.append(h.detach())
        gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(h, y), arrays)
        for a, g, v in zip(arrays, gradients, [*self.velocity[0], *self.velocity[1]], strict=True):
            a.requires_grad_(False)
            v.copy_(self.options["momentum"] * v + g + self.options["weight_decay"] * a)
            a -= self.options["step_size"] * v
        return outputs[:-1]

    def _judge(self, layer: int, h: np.ndarray) -> list[int]:
        """Units to renew, least useful first; h is [b, c, y, x] or [b, unit]."""
        o, units, eta = self.options, self.units[layer], self.options["utility_decay"]
        for c, unit in enumerate(units):
            unit.age += 1
            unit.mean = eta * unit.mean + (1 - eta) * h[:, c].mean()
            y = self._instantaneous(layer, c, h[:, c], unit.mean / (1 - eta**unit.age))
            unit.utility = eta * unit.utility + (1 - eta) * y
        eligible = [c for c, unit in enumerate(units) if unit.age > o["maturity_threshold"]]
        count = len(units) if o["count"] == "layer_width" and eligible else len(eligible)
        self.saved[layer] += o["replacement_rate"] * count
        number = min(math.floor(self.saved[layer]), len(eligible))
        self.saved[layer] -= math.floor(self.saved[layer])
        return sorted(eligible, key=lambda c: units[c].utility / (1 - eta ** units[c].age))[:number]

    def _instantaneous(self, layer: int, c: int, own: np.ndarray, mean: float) -> float:
        """Own activations: [b, y, x] of a channel, [b] of a unit."""
        incoming, outgoing = (
            np.abs(self.weights[layer][c].numpy()).mean(),
            np.abs(self._consumers(layer, c).numpy()),
        )
        deviation, activity = np.abs(own - mean), np.abs(own)
        if (
            own.ndim == 3 and self.weights[layer + 1].dim() == 2
        ):  # each place of the channel is an input of its own
            places = range(own[0].size)
            columns = [outgoing[:, k].mean() for k in places]
            both = (deviation.reshape(len(own), -1), activity.reshape(len(own), -1))
            deviated, active = (np.mean([columns[k] * a[:, k].mean() for k in places]) for a in both)
        else:
            deviated, active = outgoing.mean() * deviation.mean(), outgoing.mean() * activity.mean()
        return {
            "contribution": active,
            "zero_contribution": deviated,
            "adaptable_contribution": deviated / incoming,
            "adaptation": 1 / incoming,
            "weight": outgoing.mean(),
            "feature_by_input": deviation.mean() / incoming,
        }[self.options["utility"]]

    def _consumers(self, layer: int, unit: int) -> torch.Tensor:
        """What the next layer has for a unit, as a view: [o, k, k], [o, places] or [o, 1]."""
        after = self.weights[layer + 1]
        if after.dim() == 4:
            return after[:, unit]
        places = after.shape[1] // len(self.weights[layer])
        return after[:, unit * places : (unit + 1) * places]

    def _renew(self, layer: int, unit: int, step: int) -> None:
        old, w = self.units[layer][unit], self.weights[layer]
        out = self._consumers(layer, unit)
        if self.options["bias_transfer"] == "on":
            mean = old.mean / (1 - self.options["utility_decay"] ** old.age)
            self.biases[layer + 1] += mean * out.flatten(1).sum(1)
        fan_in = w[unit].numel()
        u = streams.uniforms(
            Address(streams.REPLACEMENT, self.seed, 0, step, layer + 256 * (unit + 1)), fan_in
        )
        w[unit] = torch.tensor((2 * u.astype(np.float64) - 1) / math.sqrt(fan_in)).view(w[unit].shape)
        self.biases[layer][unit] = 0
        out.zero_()
        if self.options["renewed_velocity"] == "zero":
            current, self.weights = self.weights, self.velocity[0]
            self.weights[layer][unit] = 0
            self.velocity[1][layer][unit] = 0
            self._consumers(layer, unit).zero_()
            self.weights = current
        self.units[layer][unit] = Unit()

"""What a researcher would write: `nn.Sequential`, `torch.optim`, one example and one run at a time.

The yardstick of the benchmarks. Data lie ready in memory and nothing is logged.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn

from perennial.learning.networks.mlp import GAINS


class Plain:
    """One run of one algorithm; `steps(n)` makes n updates."""

    def __init__(
        self, sizes: tuple[int, ...], algorithm: dict[str, Any], x: torch.Tensor, y: torch.Tensor
    ) -> None:
        layers: list[nn.Module] = []
        for i, o in pairwise(sizes):
            layers += [nn.Linear(i, o), nn.ReLU()]
        self.network = nn.Sequential(*layers[:-1])
        self.linear = [layer for layer in self.network if isinstance(layer, nn.Linear)]
        for layer in self.linear:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.settings, self.x, self.y, self.at = algorithm, x, y, 0
        self.regression = y.is_floating_point()
        self.loss = nn.MSELoss() if self.regression else nn.CrossEntropyLoss()
        rate, decay = algorithm["step_size"], algorithm.get("weight_decay", 0.0)
        kind = torch.optim.Adam if algorithm["name"] == "adam" else torch.optim.SGD
        self.optimiser = kind(self.network.parameters(), lr=rate, weight_decay=decay)
        if algorithm["name"] == "cbp":
            self.units = [
                {key: torch.zeros(n) for key in ("utility", "mean", "age")} | {"saved": 0.0}
                for n in sizes[1:-1]
            ]

    def steps(self, n: int) -> None:
        """Make n updates."""
        for _ in range(n):
            k = self.at % len(self.x)
            self._step(self.x[k : k + 1], self.y[k : k + 1])
            self.at += 1

    def _step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        features = []
        for layer in self.network:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                features.append(x)
        loss = self.loss(x[:, 0] if self.regression else x, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        if self.settings["name"] == "shrink_and_perturb":
            with torch.no_grad():
                for w in self.network.parameters():
                    w.add_(torch.randn_like(w), alpha=self.settings["noise_std"])
        if self.settings["name"] == "cbp":
            with torch.no_grad():
                for layer, h in enumerate(features):
                    self._replace(layer, h)

    def _replace(self, layer: int, h: torch.Tensor) -> None:
        """Continual backpropagation as tensor code over the units of a layer."""
        units, into, out = self.units[layer], self.linear[layer], self.linear[layer + 1]
        units["age"] += 1
        correction = 1 - 0.99 ** units["age"]
        units["mean"].mul_(0.99).add_(h.mean(0), alpha=0.01)
        deviation = (h - units["mean"] / correction).abs().mean(0)
        y = out.weight.abs().mean(0) * deviation / into.weight.abs().mean(1)
        units["utility"].mul_(0.99).add_(y, alpha=0.01)
        mature = torch.where(units["age"] > self.settings["maturity_threshold"])[0]
        if not len(mature):
            return
        units["saved"] += self.settings["replacement_rate"] * len(mature)
        number = int(units["saved"])
        units["saved"] -= number
        if not number:
            return
        least = mature[torch.topk(-(units["utility"] / correction)[mature], number)[1]]
        bound = GAINS["relu"] * (3 / into.in_features) ** 0.5
        into.weight[least] = torch.empty(number, into.in_features).uniform_(-bound, bound)
        into.bias[least] = 0
        out.weight[:, least] = 0
        for key in ("utility", "mean", "age"):
            units[key][least] = 0


class PlainConvnet:
    """One run of a convolutional network in mini-batches, with momentum; `learn()` goes once through a task.

    Args:
        network: its shape, and its initial weights.
        algorithm: name and hyper-parameters.
        task: table, order and size of the mini-batches.
        memory_format: of images and filters.
    """

    def __init__(self, network: Any, algorithm: dict[str, Any], task: Any, memory_format: Any) -> None:
        self.settings, start = algorithm, network.init(0)
        modules: list[nn.Module] = []
        for layer in range(network.layers):
            w, b = torch.tensor(start[f"weight_{layer}"]), torch.tensor(start[f"bias_{layer}"])
            if layer < network.convolutions:
                module = nn.Conv2d(w.shape[1], w.shape[0], w.shape[2])
                modules += [module, nn.ReLU(), nn.MaxPool2d(2)]
            else:
                if layer == network.convolutions:
                    modules.append(nn.Flatten())
                module, w = nn.Linear(*w.shape), w.T.contiguous()
                modules += [module, nn.ReLU()]
            module.weight.data, module.bias.data = w, b
        self.network = nn.Sequential(*modules[:-1]).to(memory_format=memory_format)
        self.weighted = [module for module in self.network if hasattr(module, "weight")]
        images = torch.tensor(task.inputs).view(-1, *network.images[0])
        self.x, self.y = images.contiguous(memory_format=memory_format), torch.tensor(task.targets)
        self.batches = torch.tensor(task.order).split(task.batch)
        self.loss = nn.CrossEntropyLoss()
        decay = algorithm.get("weight_decay", 0.0)
        self.optimiser = torch.optim.SGD(
            self.network.parameters(), lr=algorithm["step_size"], momentum=0.9, weight_decay=decay
        )
        self.units = [
            {key: torch.zeros(len(module.bias)) for key in ("utility", "mean", "age")} | {"saved": 0.0}
            for module in self.weighted[:-1]
        ]

    def learn(self) -> None:
        """One update for each mini-batch."""
        for rows in self.batches:
            self._step(self.x[rows], self.y[rows])

    def _step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        features = []  # after pooling, or after a fully connected layer's ReLU
        for module in self.network:
            x = module(x)
            if isinstance(module, nn.MaxPool2d) or (isinstance(module, nn.ReLU) and x.dim() == 2):
                features.append(x)
        loss = self.loss(x, y)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            if self.settings["name"] == "shrink_and_perturb":
                for w in self.network.parameters():
                    w.add_(torch.randn_like(w), alpha=self.settings["noise_std"])
            if self.settings["name"] == "cbp":
                for layer, h in enumerate(features):
                    self._replace(layer, h)

    def _replace(self, layer: int, h: torch.Tensor) -> None:
        """Continual backpropagation as tensor code over the units of a layer; h is [b, h], or [b, h, y, x]."""
        units, into, out = self.units[layer], self.weighted[layer], self.weighted[layer + 1]
        h = h.flatten(2) if h.dim() == 4 else h.unsqueeze(2)  # [b, h, p]
        units["age"] += 1
        correction = 1 - 0.99 ** units["age"]
        units["mean"].mul_(0.99).add_(h.mean((0, 2)), alpha=0.01)
        deviation = (h - (units["mean"] / correction).unsqueeze(1)).abs().mean(0)  # [h, p]
        if out.weight.dim() == 4:
            y = out.weight.abs().mean((0, 2, 3)) * deviation.mean(1)
        else:
            y = (out.weight.abs().mean(0).view(deviation.shape) * deviation).mean(1)
        units["utility"].mul_(0.99).add_(y / into.weight.abs().flatten(1).mean(1), alpha=0.01)
        mature = torch.where(units["age"] > 100)[0]
        units["saved"] += self.settings["replacement_rate"] * len(units["age"]) * (len(mature) > 0)
        number = int(units["saved"])
        units["saved"] -= number
        if not number:
            return
        least = mature[torch.topk(-(units["utility"] / correction)[mature], number)[1]]
        bound = into.weight[0].numel() ** -0.5
        into.weight[least] = torch.empty_like(into.weight[least]).uniform_(-bound, bound)
        into.bias[least] = 0
        if out.weight.dim() == 4:
            out.weight[:, least] = 0
        else:
            out.weight.view(len(out.weight), len(units["age"]), -1)[:, least] = 0
        for key in ("utility", "mean", "age"):
            units[key][least] = 0

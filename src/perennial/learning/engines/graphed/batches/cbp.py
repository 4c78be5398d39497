"""Continual backpropagation in mini-batches, with fixed shapes: see `perennial.learning.engines.graphed.choice`."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms.cbp import Settings, instantaneous_utility
from perennial.learning.engines.graphed.batches import l2
from perennial.learning.engines.graphed.batches.step import Stack
from perennial.learning.engines.graphed.choice import Population, Units

KNOWS = {
    "utility": (
        "contribution", "zero_contribution", "adaptable_contribution", "adaptation", "weight", "feature_by_input",
        "random",
    ),
    "count": ("eligible", "layer_width"),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd",),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}  # fmt: skip


def unsupported(settings: Settings) -> str | None:
    """Nothing but unknown choices."""
    return None


class Rule:
    """A gradient step; then all hidden layers are tested, and after that units are renewed."""

    def __init__(self, stack: Stack) -> None:
        self.descent = l2.Rule(stack)
        self.hidden = [_Hidden(stack, layer) for layer in range(stack.network.layers - 1)]
        self.population = Population(stack, self.hidden)
        forgets = stack.hypers[0].renewed_velocity == "zero" and stack.velocity is not None
        self.forgotten = [stack.state["optimiser"]["velocity"]] if forgets else []

    def step(self, features: list[Any]) -> None:
        """One gradient step, then the test of every unit; h [r, b, h p] of each layer."""
        self.descent.step(features)
        for hidden, h in zip(self.hidden, features, strict=True):
            hidden.measure(h)
        self.population.renew(self.forgotten)


class _Hidden(Units):
    """One hidden layer: its utilities, and the renewal of its units, as its network has them."""

    def __init__(self, stack: Stack, layer: int) -> None:
        network, self.weights = stack.network, stack.state["weights"]
        into = network.incoming(self.weights, layer)  # [r, h, i, ...]
        super().__init__(stack, layer, into.shape[1], into[0, 0].numel())
        self.network, self.shape, self.bound = network, into.shape[2:], network.bounds[layer]
        runs = torch.arange(len(into), device=stack.layout.device)
        self.runs = runs.unsqueeze(1)  # [r, 1]

    def measure(self, features: Any) -> None:
        """Move ages, mean activations and utilities on by one step; features [r, b, h p]."""
        network, layer, weights = self.network, self.layer, self.weights
        h = network.by_unit(layer, features)  # [r, b, h, p]
        self.grow_older(h.mean((1, 3)))
        y = instantaneous_utility(self.choices.utility, network.units(weights, layer), h, self.mean())
        self.own["utility"].lerp_(y, self.gain)

    def renew(self, units: Any, due: Any, u: Any, remembered: list[dict[str, Any]]) -> None:
        """Renew the units [r, k] that are due [r, k]; of the arrays `remembered` what is theirs becomes zero."""
        if self.choices.bias_transfer == "on":
            self._transfer_bias(units, due)
        fresh = (u[:, :, : self.fan_in] * 2 - 1) * self.bound  # [r, k, i]
        fresh = fresh.unflatten(2, self.shape)
        self._write(self.network.incoming(self.weights, self.layer), units, due, fresh)
        self._write(self.network.outgoing(self.weights, self.layer), units, due)
        own = self.own
        for values in (self.weights[f"bias_{self.layer}"], own["utility"], own["mean_feature"], own["age"]):
            self._write(values, units, due)
        for arrays in remembered:
            for of_units in (self.network.incoming, self.network.outgoing):
                self._write(of_units(arrays, self.layer), units, due)
            self._write(arrays[f"bias_{self.layer}"], units, due)

    def _transfer_bias(self, units: Any, due: Any) -> None:
        """Move the mean activations of the units [r, k] that are due into the biases of the next layer."""
        mean = self.mean().gather(1, units)  # [r, k]
        out = self.network.outgoing(self.weights, self.layer)[self.runs, units]  # [r, k, p, o, ...]
        rows = out.transpose(2, 3).flatten(3).sum(3)  # [r, k, o]
        moved = (mean.unsqueeze(2) * rows).masked_fill_(~due.unsqueeze(2), 0).sum(1)
        self.weights[f"bias_{self.layer + 1}"].add_(moved)

    def _write(self, array: Any, units: Any, due: Any, new: Any = None) -> None:
        """Put `new`, or zeros, into the array [r, h, ...] of those units [r, k] that are due."""
        old = array[self.runs, units]  # [r, k, ...]
        due = due.view(*due.shape, *[1] * (old.dim() - 2))
        array[self.runs, units] = old.masked_fill(due, 0) if new is None else torch.where(due, new, old)

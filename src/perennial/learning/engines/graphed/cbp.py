"""Continual backpropagation with fixed shapes: every step renews a fixed number of units, most of them not at all.

See `choice.py`. What is not due is written back as it was.
"""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.graphed import backprop, l2, step
from perennial.learning.engines.graphed.aged_adam import AgedAdam
from perennial.learning.engines.graphed.choice import Population, Units
from perennial.learning.engines.graphed.step import Stack

KNOWS = {
    "utility": (
        "contribution", "zero_contribution", "adaptable_contribution", "adaptation", "weight", "feature_by_input",
        "random",
    ),
    "count": ("eligible", "layer_width"),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd", "adam"),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}  # fmt: skip


def unsupported(settings: Settings) -> str | None:
    """All but momentum."""
    return backprop.unsupported(settings)


class Rule(step.Rule):
    """A gradient step; then all hidden layers are tested, and after that units are renewed."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.descent = _descent(stack)
        self.hidden = [_Hidden(stack, layer) for layer in range(len(stack.layers) - 1)]
        self.population = Population(stack, self.hidden)

    def update(self, layer: int) -> None:
        """The gradient step of one layer."""
        self.descent.update(layer)

    def end(self) -> None:
        """Test, then renew: utilities are those of the trained network."""
        for hidden in self.hidden:
            hidden.measure()
        self.population.renew(self.descent.remembered)


class _Hidden(Units):
    """One hidden layer: its utilities, and the renewal of its units. Arrays over units are padded: [r, h]."""

    def __init__(self, stack: Stack, layer: int) -> None:
        self.inputs, units, self.outputs = stack.network.sizes[layer : layer + 3]
        self.into, self.bias = stack.w[layer], stack.b[layer]
        super().__init__(stack, layer, units, self.into.shape[1])
        self.real_inputs = stack.layout.real(self.inputs)
        self.h = stack.h[layer + 1][:, 0]  # [r, h]
        self.out, self.next_bias = stack.w[layer + 1], stack.b[layer + 1]
        self.bound = stack.network.bounds[layer]

    def measure(self) -> None:
        """Move ages, mean activations and utilities on by one step."""
        self.grow_older(self.h)
        self.own["utility"].lerp_(self._instantaneous_utility(), self.gain)

    def _instantaneous_utility(self) -> Any:
        """y [r, h]; see `perennial.learning.algorithms.cbp`. At pads it may be anything: no choice falls on them."""
        kind = self.choices.utility
        deviation = (self.h - self.mean()).abs()
        if kind == "contribution":
            return self._outgoing() * self.h.abs()
        if kind == "zero_contribution":
            return self._outgoing() * deviation
        if kind == "adaptable_contribution":
            return self._outgoing() * deviation / self._incoming()
        if kind == "adaptation":
            return 1 / self._incoming()
        return self._outgoing() if kind in ("weight", "random") else deviation / self._incoming()

    def _outgoing(self) -> Any:
        return _sizes(self.out, 2) / self.outputs  # [r, h, o] -> [r, h]

    def _incoming(self) -> Any:
        return _sizes(self.into, 1) / self.inputs  # [r, i, h] -> [r, h]

    def renew(self, units: Any, due: Any, u: Any, remembered: list[tuple[Any, Any]]) -> None:
        """Renew the units [r, k] that are due [r, k]: fresh incoming weights, zero bias and outgoing weights.

        Args:
            u: uniforms [r, k, longest].
            remembered: for each kind of optimiser state its matrices and vectors by layer.
        """
        if self.choices.bias_transfer == "on":
            self._transfer_bias(units, due)
        fresh = (u[:, :, : self.into.shape[1]] * 2 - 1) * self.bound  # [r, k, i]
        _write(self.into, 2, units, due, fresh.masked_fill_(~self.real_inputs, 0).transpose(1, 2))
        _write(self.out, 1, units, due)
        renewed = torch.zeros_like(self.bias, dtype=torch.bool).scatter_(1, units, due)  # [r, h]
        vectors = [self.bias, self.own["utility"], self.own["mean_feature"], self.own["age"]]
        for matrices, biases in remembered:
            _write(matrices[self.layer], 2, units, due)
            _write(matrices[self.layer + 1], 1, units, due)
            vectors.append(biases[self.layer])
        for vector in vectors:
            vector.masked_fill_(renewed, 0)

    def _transfer_bias(self, units: Any, due: Any) -> None:
        """Move the mean activations of the units [r, k] that are due into the biases of the next layer."""
        mean = self.mean().gather(1, units)  # [r, k]
        rows = self.out.gather(1, units.unsqueeze(2).expand(-1, -1, self.out.shape[2]))  # [r, k, o]
        self.next_bias.add_((mean.unsqueeze(2) * rows).masked_fill_(~due.unsqueeze(2), 0).sum(1))


def _descent(stack: Stack) -> Any:
    """The gradient step, a rule of its own with `remembered`: what of it a renewed unit forgets."""
    if stack.hypers[0].optimiser == "adam":
        rule: Any = AgedAdam(stack)
    else:
        rule = l2.Rule(stack) if stack.any("weight_decay") else backprop.Rule(stack)
    rule.remembered = [
        tuple([kind[f"{part}_{n}"] for n in stack.layers] for part in ("weight", "bias"))
        for kind in stack.state["optimiser"].values()
    ]
    return rule


def _sizes(w: Any, axis: int) -> Any:
    """Sums of |w| over an axis. On a GPU, where memory is the limit, without storing |w|."""
    return torch.linalg.vector_norm(w, 1, dim=axis) if w.is_cuda else w.abs().sum(axis)


def _write(array: Any, axis: int, units: Any, due: Any, new: Any = None) -> None:
    """Put `new`, or zeros, at the columns (axis 2) or rows (axis 1) of `array` of those units [r, k] that are due."""
    shape = [*array.shape]
    shape[axis] = units.shape[1]  # [r, i, k] or [r, k, o]
    place = units.unsqueeze(3 - axis).expand(shape)
    old = array.gather(axis, place)
    due = due.unsqueeze(3 - axis)
    array.scatter_(axis, place, old.masked_fill_(due, 0) if new is None else torch.where(due, new, old))

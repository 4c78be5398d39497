"""Continual backpropagation with fixed shapes: every step renews a fixed number of units, most of them not at all.

How many units a step can renew at most follows from the replacement rate and a layer's width: these are the
slots, [r, k]. A step finds the k least useful units and decides for each whether it is due; what is not due is
written back as it was. So a step does the same work whatever happens, and the host need not know.
"""

from __future__ import annotations

import math
from typing import Any

from perennial import streams
from perennial.algorithms.cbp import UNIT_STRIDE, Settings
from perennial.engines.graphed import backprop, draws, l2, step
from perennial.engines.graphed.aged_adam import AgedAdam
from perennial.engines.graphed.step import Stack, bias_correction
from perennial.lazy import torch


def unsupported(settings: Settings) -> str | None:
    """All but momentum."""
    return backprop.unsupported(settings)


class Rule(step.Rule):
    """A gradient step; then all hidden layers are tested, and after that units are renewed."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.choices, self.descent = stack.hypers[0], _descent(stack)
        self.hidden = [
            _Hidden(stack, layer, own) for layer, own in enumerate(stack.state["algorithm"].values())
        ]
        self.uniforms = draws.on(stack.layout.device, "uniforms")
        self.longest = max([hidden.into.shape[1] for hidden in self.hidden], default=0)

    def update(self, layer: int) -> None:
        """The gradient step of one layer."""
        self.descent.update(layer)

    def end(self) -> None:
        """Test, then renew: utilities are those of the trained network."""
        for hidden in self.hidden:
            hidden.measure()
        if not any(hidden.slots for hidden in self.hidden):
            return
        lots = self._lots()
        chosen = [hidden.choose(lot) for hidden, lot in zip(self.hidden, lots, strict=True)]
        fresh = self._fresh([units for units, _due in chosen])
        for hidden, (units, due), u in zip(self.hidden, chosen, fresh, strict=True):
            if hidden.slots:
                hidden.renew(units, due, u, self.descent.remembered)

    def _lots(self) -> list[Any]:
        """For each hidden layer the coin of the fraction and the lots of its units, [r, 1 + h], where needed."""
        need = self.choices.fraction == "bernoulli" or self.choices.utility == "random"
        if not need:
            return [None] * len(self.hidden)
        count = 1 + (max(hidden.units for hidden in self.hidden) if self.choices.utility == "random" else 0)
        runs = self.stack.clock.seeds.shape[0]
        places = torch.arange(len(self.hidden), device=self.stack.layout.device).repeat(runs, 1)  # [r, layer]
        return list(self._draw(places, count).unbind(1))

    def _fresh(self, units: list[Any]) -> list[Any]:
        """Uniforms [r, k, i] for the incoming weights of the units [r, k] of every layer, in one draw."""
        places = [layer + UNIT_STRIDE * (chosen + 1) for layer, chosen in enumerate(units)]
        drawn = self._draw(torch.cat(places, dim=1), self.longest)
        return list(drawn.split([chosen.shape[1] for chosen in units], dim=1))

    def _draw(self, places: Any, count: int) -> Any:
        """Uniforms [r, n, count] at the places [r, n] of the replacement stream."""
        u = draws.at_places(self.uniforms, streams.REPLACEMENT, self.stack.clock, places, count)
        return u.to(self.stack.layout.dtype)


class _Hidden:
    """One hidden layer: its utilities, and the renewal of its units. Arrays over units are padded: [r, h]."""

    def __init__(self, stack: Stack, layer: int, own: dict[str, Any]) -> None:
        self.stack, self.layer, self.own, self.choices = stack, layer, own, stack.hypers[0]
        self.inputs, self.units, self.outputs = stack.network.sizes[layer : layer + 3]
        self.real, self.real_inputs = stack.layout.real(self.units), stack.layout.real(self.inputs)
        self.h = stack.h[layer + 1][:, 0]  # [r, h]
        self.into, self.bias = stack.w[layer], stack.b[layer]
        self.out, self.next_bias = stack.w[layer + 1], stack.b[layer + 1]
        self.bound = stack.network.bounds[layer]
        self.gain, self.log_decay = stack.gain("utility_decay", 2), stack.log("utility_decay", 2)
        self.maturity = stack.rate("maturity_threshold", 2, torch.int64)
        self.rate = stack.rate("replacement_rate", 1, torch.float64)
        self.slots = max(self._most(hyper.replacement_rate) for hyper in stack.hypers)
        self.slot = torch.arange(self.slots, device=stack.layout.device)

    def _most(self, rate: float) -> int:
        """The most units that a step can renew."""
        saved = 1 if self.choices.fraction == "accumulate" else 0  # less than one unit is saved up
        return min(max(math.floor(rate * self.units) + saved, 1), self.units) if rate > 0 else 0

    def measure(self) -> None:
        """Move ages, mean activations and utilities on by one step."""
        own = self.own
        own["age"].add_(1)
        self.correction = bias_correction(self.log_decay, own["age"].to(self.gain.dtype))
        own["mean_feature"].lerp_(self.h, self.gain)
        own["utility"].lerp_(self._instantaneous_utility(), self.gain)

    def _instantaneous_utility(self) -> Any:
        """y [r, h]; see `perennial.algorithms.cbp`. At pads it may be anything: no choice falls on them."""
        kind = self.choices.utility
        deviation = (self.h - self.own["mean_feature"] / self.correction).abs()
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

    def choose(self, lot: Any) -> tuple[Any, Any]:
        """The least useful mature units, and which of them are due: [r, k] int64 and bool.

        Args:
            lot: [r, 1 + h] uniforms: the coin of the fraction, and lots for the random utility.
        """
        mature = (self.own["age"] > self.maturity) & self.real
        number = self._number_due(mature.sum(1), lot)  # [r]
        score = self.own["utility"] / self.correction
        if self.choices.utility == "random":
            score = torch.zeros_like(score)
            score[:, : self.units] = lot[:, 1 : 1 + self.units]
        largest = torch.finfo(
            score.dtype
        ).max  # mature units, then young ones, then those taken: all slots differ
        score = score.clamp_max(largest / 2).masked_fill_(~mature, largest)
        units = score.new_zeros(len(score), self.slots, dtype=torch.int64)
        for slot in range(self.slots):
            least = score.argmin(1, keepdim=True)  # the first one, if several are equal
            units[:, slot : slot + 1] = least
            score.scatter_(1, least, torch.inf)
        return units, self.slot < number.unsqueeze(1)

    def _number_due(self, mature: Any, lot: Any) -> Any:
        """How many units each run renews now, [r]; never more than are mature."""
        base = mature if self.choices.count == "eligible" else (mature > 0) * self.units
        due = self.rate * base
        if self.choices.fraction == "bernoulli":
            number = torch.where(due < 1, (lot[:, 0] < due).to(due.dtype), due.floor())
        else:
            saved = self.own["saved"].add_(due)
            number = saved.floor()
            saved.sub_(number)
        return torch.minimum(number.to(torch.int64), mature)

    def renew(self, units: Any, due: Any, u: Any, remembered: list[tuple[Any, Any, Any]]) -> None:
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
        mean = (self.own["mean_feature"] / self.correction).gather(1, units)  # [r, k]
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

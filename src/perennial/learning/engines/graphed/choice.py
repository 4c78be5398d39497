"""Which units continual backpropagation renews, in a fixed number of slots.

How many units a step can renew at most follows from the replacement rate and a layer's width: these are the
slots, [r, k]. A step finds the k least useful units and decides for each whether it is due; what is not due is
written back as it was. So a step does the same work whatever happens, and the host need not know.
"""

from __future__ import annotations

import math
from typing import Any

from perennial import streams
from perennial.lazy import torch
from perennial.learning.algorithms._renewal import UNIT_STRIDE
from perennial.learning.engines.graphed import draws
from perennial.learning.engines.graphed.runs import Runs, bias_correction


class Units:
    """The units of one hidden layer: ages, utilities, and the choice. Arrays over units may be padded: [r, h].

    Args:
        stack: the runs.
        layer: number of the layer.
        units: how many there are.
        fan_in: how many fresh weights a renewed unit needs.
    """

    def __init__(self, stack: Runs, layer: int, units: int, fan_in: int) -> None:
        self.stack, self.layer, self.units, self.fan_in = stack, layer, units, fan_in
        self.own, self.choices = stack.state["algorithm"][f"hidden_{layer}"], stack.hypers[0]
        self.real = stack.layout.real(units)
        self.gain, self.log_decay = stack.gain("utility_decay", 2), stack.log("utility_decay", 2)
        self.maturity = stack.rate("maturity_threshold", 2, torch.int64)
        self.rate = stack.rate("replacement_rate", 1, torch.float64)
        self.slots = max(self._most(hyper.replacement_rate) for hyper in stack.hypers)
        self.slot = torch.arange(self.slots, device=stack.layout.device)

    def _most(self, rate: float) -> int:
        """The most units that a step can renew."""
        saved = 1 if self.choices.fraction == "accumulate" else 0  # less than one unit is saved up
        return min(max(math.floor(rate * self.units) + saved, 1), self.units) if rate > 0 else 0

    def grow_older(self, mean: Any) -> None:
        """Move ages and mean activations on by one step, in which the units had the mean activations [r, h]."""
        own = self.own
        own["age"].add_(1)
        self.correction = bias_correction(self.log_decay, own["age"].to(self.gain.dtype))
        own["mean_feature"].lerp_(mean, self.gain)

    def mean(self) -> Any:
        """The running mean activations [r, h], corrected for their start at zero."""
        return self.own["mean_feature"] / self.correction

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
        # mature units, then young ones, then those taken: all slots differ
        largest = torch.finfo(score.dtype).max
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

    def renew(self, units: Any, due: Any, u: Any, remembered: Any) -> None:
        """Renew the units [r, k] that are due [r, k]: fresh incoming weights, zero bias and outgoing weights.

        Args:
            u: uniforms [r, k, at least fan_in].
            remembered: what of the optimiser a renewed unit forgets.
        """
        raise NotImplementedError


class Population:
    """All hidden layers, and the random numbers that their choices and renewals need."""

    def __init__(self, stack: Runs, hidden: list[Any]) -> None:
        self.stack, self.hidden, self.choices = stack, hidden, stack.hypers[0]
        self.uniforms = draws.on(stack.layout.device, "uniforms")
        self.longest = max([layer.fan_in for layer in hidden], default=0)

    def renew(self, remembered: Any) -> None:
        """Choose in all layers, then renew: utilities are those of the trained network."""
        if not any(layer.slots for layer in self.hidden):
            return
        lots = self._lots()
        chosen = [layer.choose(lot) for layer, lot in zip(self.hidden, lots, strict=True)]
        fresh = self._fresh([units for units, _due in chosen])
        for layer, (units, due), u in zip(self.hidden, chosen, fresh, strict=True):
            if layer.slots:
                layer.renew(units, due, u, remembered)

    def _lots(self) -> list[Any]:
        """For each hidden layer the coin of the fraction and the lots of its units, [r, 1 + h], where needed."""
        need = self.choices.fraction == "bernoulli" or self.choices.utility == "random"
        if not need:
            return [None] * len(self.hidden)
        count = 1 + (max(layer.units for layer in self.hidden) if self.choices.utility == "random" else 0)
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

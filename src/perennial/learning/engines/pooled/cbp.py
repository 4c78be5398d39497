"""Continual backpropagation: activations and weights are summed up by compiled passes; what is made of the sums, and
the renewals, are the definition's own. The host knows when nothing is due, so most steps renew nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import streams
from perennial.lazy import torch
from perennial.learning import views
from perennial.learning.algorithms import Clock, _moments, _renewal, cbp
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.counting import NO_COIN, number_due
from perennial.learning.engines.pooled import backprop
from perennial.learning.engines.pooled.arrays import Arrays
from perennial.learning.engines.pooled.backprop import unsupported
from perennial.learning.engines.pooled.layout import Layout

__all__ = ["KNOWS", "Rule", "unsupported"]

ACTIVITIES = ("size", "deviation", "none")  # that `Layer` sums up
KNOWS = {
    "utility": tuple(kind for kind, of in cbp.FACTORS.items() if of.activity in ACTIVITIES),
    "count": ("eligible", "layer_width"),
    "utility_average": ("corrected",),
    "renewed_moments": ("zero",),
    "renewed_weights": ("layer",),
    "fraction": ("accumulate", "bernoulli"),
    "bias_transfer": ("off", "on"),
    "optimiser": ("sgd",),
    "renewed_velocity": ("kept", "zero"),
    "adam_bias_correction": ("standard", "gnt_bug"),
}  # fmt: skip


class Rule:
    """The gradient step; then test all hidden layers, then renew units in all of them. See `backprop.Rule`."""

    def __init__(self, settings: Settings, layout: Layout, arrays: Arrays) -> None:
        self.settings, self.network, self.networks = settings, layout.network, views.single(layout.network)
        self.descent, self.tree = backprop.Rule(settings, layout, arrays), arrays.tree(layout)
        weights = [layout.view(arrays.weights, f"weight_{layer}") for layer in range(self.network.layers)]
        self.layers = [
            Layer(settings, layer, weights, self.tree["algorithm"][f"hidden_{layer}"])
            for layer in range(self.network.layers - 1)
        ]

    def step(self, features: list[np.ndarray], clock: Clock) -> None:
        """One gradient step, then the test of every unit."""
        self.descent.step(features, clock)
        chosen = [layer.test(h, clock) for layer, h in zip(self.layers, features, strict=True)]
        for layer, units in zip(self.networks.hidden, chosen, strict=True):
            if units.numel():  # [1, k]
                (fresh,) = _renewal.fresh_weights([layer], self.tree["weights"], [units], clock)
                due = torch.ones_like(units, dtype=torch.bool)
                cbp.renew(self.settings, layer, self.tree, units, due, fresh)


class Layer:
    """The units of one hidden layer.

    Args:
        settings: of the algorithm.
        layer: number of the layer.
        weights: of all layers, filters [o, k, k, i] and matrices [i, o].
        units: the algorithm's state of the layer, tensors [1, ...].
    """

    def __init__(
        self, settings: Settings, layer: int, weights: list[np.ndarray], units: dict[str, Any]
    ) -> None:
        self.settings, self.layer = settings, layer
        own, next_ = weights[layer : layer + 2]
        self.utility, self.mean, self.age = (
            units[key].numpy()[0] for key in ("utility", "mean_feature", "age")
        )
        self.saved = units["saved"].numpy()
        width = len(self.utility)
        # |w| by unit and by what it sees: rows of filters, columns of a matrix ...
        self.incoming = own.reshape(width, -1) if own.ndim == 4 else own.T
        # ... and by unit, place and what sees it: of filters the last axis; of a matrix rows, place by place.
        self.outgoing = (
            next_.reshape(-1, width).T[:, None]
            if next_.ndim == 4
            else next_.reshape(width, -1, next_.shape[1])
        )
        self.magnitude = specialise(magnitude, "pooled_magnitude")
        self.measure = specialise(measure, "pooled_measure")
        self.number_due = specialise(number_due, "pooled_number_due")
        self.activity = np.zeros((self.outgoing.shape[1], width), own.dtype)
        self.eta = own.dtype.type(settings.utility_decay)
        self.gain = own.dtype.type(1 - settings.utility_decay)

    def test(self, h: np.ndarray, clock: Clock) -> Any:
        """Update utilities and ages; the units to renew, least useful first: [1, k] int64. h: [b, p, h]."""
        self.age += 1
        age = self.age.astype(self.mean.dtype)
        correction = _moments.bias_correction(self.settings.utility_decay, age)
        y = cbp.combined(
            self.settings.utility,
            lambda kind: self._activity(h, correction, kind),
            lambda: self.magnitude(self.outgoing),
            lambda: self.magnitude(self.incoming[:, None])[:, 0],
        )
        self.utility *= self.eta
        self.utility += self.gain * y
        return self._choose(self.utility / correction, clock)

    def _activity(self, h: np.ndarray, correction: np.ndarray, kind: str) -> np.ndarray:
        """Move the running means; the mean |h| or |h - mean| by unit and address, or ones: [h, p].

        There is one place where the outgoing weights do not tell places apart.
        """
        self.measure(h, self.activity, self.mean, correction, self.eta, self.gain, kind == "deviation")
        return (np.ones_like(self.activity) if kind == "none" else self.activity).T

    def _choose(self, score: np.ndarray, clock: Clock) -> Any:
        """The units that are renewed now: [1, k]."""
        settings, coin = self.settings, NO_COIN
        mature = self.age > settings.maturity_threshold
        if settings.fraction == "bernoulli" or settings.utility == "random":
            address = streams.Address(streams.REPLACEMENT, clock.seeds[0], clock.task, clock.step, self.layer)
            lots = streams.uniforms(address, len(mature) + 1)
            coin = float(lots[0]) if settings.fraction == "bernoulli" else NO_COIN  # number 0 is the coin
            score = lots[1:] if settings.utility == "random" else score
        number, self.saved[0] = self.number_due(
            settings.replacement_rate,
            int(mature.sum()),
            len(mature),
            settings.count == "layer_width",
            self.saved[0],
            coin,
        )
        if number == 0:
            return torch.empty(1, 0, dtype=torch.int64)
        return _renewal.least(torch.from_numpy(score)[None], torch.from_numpy(mature)[None], number)


def magnitude(weights):
    """Mean |w| over the last of three axes: [h, p]. In the order of `perennial.learning.engines.vectors`."""
    units, places, others = weights.shape
    found = np.zeros((places, units), weights.dtype)
    whole, zero = others // 8 * 8, weights.dtype.type(0)
    for j in range(units):
        for q in range(places):
            w = weights[j, q]
            s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = zero
            for k in range(0, whole, 8):
                s0, s1, s2, s3 = s0 + abs(w[k]), s1 + abs(w[k + 1]), s2 + abs(w[k + 2]), s3 + abs(w[k + 3])
                s4, s5, s6, s7 = (
                    s4 + abs(w[k + 4]),
                    s5 + abs(w[k + 5]),
                    s6 + abs(w[k + 6]),
                    s7 + abs(w[k + 7]),
                )
            rest = others - whole
            s0 += abs(w[whole]) if rest > 0 else zero
            s1 += abs(w[whole + 1]) if rest > 1 else zero
            s2 += abs(w[whole + 2]) if rest > 2 else zero
            s3 += abs(w[whole + 3]) if rest > 3 else zero
            s4 += abs(w[whole + 4]) if rest > 4 else zero
            s5 += abs(w[whole + 5]) if rest > 5 else zero
            s6 += abs(w[whole + 6]) if rest > 6 else zero
            found[q, j] = (((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))) / others
    return found.T


def measure(h, activity, mean, correction, eta, gain, about_mean):
    """Move the running means [h]; activity [p, h] becomes the mean |h|, or |h - mean|, over the batch.

    Where `activity` has one row only, it is the mean over the places too. Sums are taken image by image first, so that
    rounding does not add up.
    """
    batch, places, units = h.shape
    rows = activity.shape[0]
    part, total = np.zeros(units, h.dtype), np.zeros(units, h.dtype)
    for b in range(batch):
        part[:] = 0
        for q in range(places):
            for j in range(units):
                part[j] += h[b, q, j]
        for j in range(units):
            total[j] += part[j]
    middle = np.zeros(units, h.dtype)
    for j in range(units):
        mean[j] = eta * mean[j] + gain * (total[j] / (batch * places))
        if about_mean:
            middle[j] = mean[j] / correction[j]
    activity[:] = 0
    parts = np.zeros((rows, units), h.dtype)
    for b in range(batch):
        parts[:] = 0
        for q in range(places):
            row = parts[q if rows > 1 else 0]
            for j in range(units):
                row[j] += abs(h[b, q, j] - middle[j])
        for q in range(rows):
            for j in range(units):
                activity[q, j] += parts[q, j]
    count = batch * places // rows
    for q in range(rows):
        for j in range(units):
            activity[q, j] /= count

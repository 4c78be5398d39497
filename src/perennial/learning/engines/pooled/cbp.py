"""Continual backpropagation: utilities by a compiled pass over the activations; renewals are the definition's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial import streams
from perennial.lazy import torch
from perennial.learning import views
from perennial.learning.algorithms import Clock, _renewal, cbp
from perennial.learning.algorithms.cbp import Settings
from perennial.learning.engines.compiling import specialise
from perennial.learning.engines.pooled import backprop
from perennial.learning.engines.pooled.arrays import Arrays
from perennial.learning.engines.pooled.layout import Layout

# Which utilities need what: the mean |h - mean|, the outgoing weights, the incoming weights.
DEVIATION = ("zero_contribution", "adaptable_contribution", "feature_by_input")
OUTGOING = ("contribution", "zero_contribution", "adaptable_contribution", "weight", "random")
INCOMING = ("adaptable_contribution", "adaptation", "feature_by_input")

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
            if len(units):
                own = torch.from_numpy(units)[None]  # [k] -> [1, k]
                (fresh,) = _renewal.fresh_weights([layer], self.tree["weights"], [own], clock)
                cbp._renew(
                    self.settings, layer, self.tree, own, torch.ones_like(own, dtype=torch.bool), fresh
                )


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
        self.activity = np.zeros((self.outgoing.shape[1], width), own.dtype)
        self.eta = own.dtype.type(settings.utility_decay)
        self.gain = own.dtype.type(1 - settings.utility_decay)

    def test(self, h: np.ndarray, clock: Clock) -> np.ndarray:
        """Update utilities and ages; the units to renew, least useful first. h: [b, p, h]."""
        settings, kind = self.settings, self.settings.utility
        self.age += 1
        correction = self._correction()
        self.measure(h, self.activity, self.mean, correction, self.eta, self.gain, kind in DEVIATION)
        y = self.activity  # [p, h], p = 1 where outgoing weights do not tell places apart
        if kind in ("adaptation", "weight", "random"):
            y = np.ones_like(y)
        if kind in OUTGOING:
            y = y * self.magnitude(self.outgoing).T
        y = y.mean(0)
        if kind in INCOMING:
            y = y / self.magnitude(self.incoming[:, None])[:, 0]
        self.utility *= self.eta
        self.utility += self.gain * y
        mature = self.age > settings.maturity_threshold
        number = self._number(int(mature.sum()), clock)
        if number == 0:
            return np.empty(0, np.int64)
        score = self.utility / correction
        if kind == "random":
            place = streams.Place(streams.REPLACEMENT, clock.seeds[0], clock.task, clock.step, self.layer)
            score = streams.uniforms(place, len(mature) + 1)[1:]  # number 0 is the coin
        return np.argsort(np.where(mature, score, np.inf), kind="stable")[:number]

    def _correction(self) -> np.ndarray:
        """1 - decay^age of every unit."""
        if self.settings.utility_decay == 0:
            return np.ones_like(self.mean)
        return -np.expm1(
            self.age.astype(self.mean.dtype) * self.mean.dtype.type(np.log(self.settings.utility_decay))
        )

    def _number(self, mature: int, clock: Clock) -> int:
        """How many units are renewed now, never more than are mature."""
        settings = self.settings
        base = mature if settings.count == "eligible" else (mature > 0) * len(self.age)
        due = settings.replacement_rate * base
        if settings.fraction == "bernoulli":
            if due >= 1:
                return min(int(due), mature)
            place = streams.Place(streams.REPLACEMENT, clock.seeds[0], clock.task, clock.step, self.layer)
            return min(int(streams.uniforms(place, 1)[0] < due), mature)
        self.saved += due
        number = int(self.saved[0])
        self.saved -= number
        return min(number, mature)


def magnitude(weights):
    """Mean |w| over the last of three axes: [h, p]."""
    units, places, others = weights.shape
    found = np.zeros((units, places), weights.dtype)
    for j in range(units):
        for q in range(places):
            total = found[j, q]
            for k in range(others):
                total += abs(weights[j, q, k])
            found[j, q] = total / others
    return found


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

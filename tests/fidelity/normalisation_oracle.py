"""Online normalisation for one run, written a second time: unit by unit, in plain Python and double precision.

It follows the formulas of Chiley et al. 2019, not our code, and differentiates by hand. Slow on purpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SLOPES = {
    "relu": (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    "tanh": (math.tanh, lambda z: 1 - math.tanh(z) ** 2),
}


@dataclass
class Unit:
    """What one hidden unit remembers, and what it needs for the way back."""

    options: dict
    mean: float = 0.0
    variance: float = 1.0
    error_1: float = 0.0
    error_2: float = 0.0
    gain: float = 1.0
    shift: float = 0.0
    y: float = 0.0  # normalised, before gain and shift
    sigma: float = 1.0

    def forward(self, z: float) -> float:
        """Normalise by the statistics so far, then let them move on."""
        a = self.options["forward_decay"]
        self.sigma = math.sqrt(self.variance + self.options["epsilon"])
        self.y = (z - self.mean) / self.sigma
        self.variance = a * self.variance + a * (1 - a) * (z - self.mean) ** 2
        self.mean = a * self.mean + (1 - a) * z
        return self.gain * self.y + self.shift

    def backward(self, gradient: float) -> float:
        """The gradient of z from that of the output; gain and shift are learnt."""
        share, step_size = 1 - self.options["backward_decay"], self.options["step_size"]
        of_y = gradient * self.gain
        if self.options["affine"] == "learned":
            self.gain -= step_size * gradient * self.y
            self.shift -= step_size * gradient
        first = of_y - share * self.error_1 * self.y
        self.error_1 += first * self.y
        second = first / self.sigma - share * self.error_2
        self.error_2 += second
        return second


@dataclass
class Guard:
    """The last step of a layer, after gain and shift.

    Args:
        limit: of what is clipped.
    """

    options: dict
    limit: float
    before: list[float] = field(default_factory=list)

    def forward(self, values: list[float]) -> list[float]:
        """Clip each value, or divide all by their root mean square."""
        self.before, kind = values, self.options["guard"]
        if kind == "clamp":
            return [min(max(v, -self.limit), self.limit) for v in values]
        return [v / self._size() for v in values] if kind == "layer_scaling" else values

    def backward(self, gradients: list[float]) -> list[float]:
        """d(v_i / s) / dv_j = (delta_ij - v_i v_j / (n s^2)) / s."""
        kind, n = self.options["guard"], len(gradients)
        if kind == "clamp":
            return [g if abs(v) <= self.limit else 0.0 for g, v in zip(gradients, self.before, strict=True)]
        if kind == "none":
            return gradients
        s = self._size()
        along = sum(g * v for g, v in zip(gradients, self.before, strict=True)) / (n * s * s)
        return [(g - v * along) / s for g, v in zip(gradients, self.before, strict=True)]

    def _size(self) -> float:
        mean = sum(v * v for v in self.before) / len(self.before)
        return math.sqrt(mean + self.options["epsilon"])


@dataclass
class Oracle:
    """One run of a network with any number of hidden layers and a single, linear output.

    Args:
        options: hyper-parameters by the names of the settings.
        weights: [layer][unit][input].
        biases: [layer][unit].
        limit: of what `guard: clamp` lets through.
    """

    options: dict
    activation: str
    weights: list[list[list[float]]]
    biases: list[list[float]]
    limit: float = 5.0

    def __post_init__(self) -> None:
        self.units = [[Unit(self.options) for _ in rows] for rows in self.weights[:-1]]
        self.guards = [Guard(self.options, self.limit) for _ in self.units]
        self.clipped = 0  # how often a guard changed something

    def step(self, x: list[float], target: float) -> None:
        """Learn one example."""
        function, slope = SLOPES[self.activation]
        inputs, sums = [x], []  # of each layer; what the activation function is given
        for layer, units in enumerate(self.units):
            z = self._linear(layer, inputs[-1])
            normalised = [unit.forward(a) for unit, a in zip(units, z, strict=True)]
            sums.append(self.guards[layer].forward(normalised))
            self.clipped += sums[-1] != normalised
            inputs.append([function(a) for a in sums[-1]])
        deltas = [2 * (self._linear(len(self.units), inputs[-1])[0] - target)]  # of the squared error
        for layer in reversed(range(len(self.weights))):
            rows = self.weights[layer]
            below = [
                sum(row[i] * d for row, d in zip(rows, deltas, strict=True))
                for i in range(len(inputs[layer]))
            ]
            self._learn(layer, deltas, inputs[layer])
            if layer:
                given = [g * slope(a) for g, a in zip(below, sums[layer - 1], strict=True)]
                given = self.guards[layer - 1].backward(given)
                deltas = [u.backward(g) for u, g in zip(self.units[layer - 1], given, strict=True)]

    def _linear(self, layer: int, x: list[float]) -> list[float]:
        rows, biases = self.weights[layer], self.biases[layer]
        return [
            sum(w * a for w, a in zip(row, x, strict=True)) + b for row, b in zip(rows, biases, strict=True)
        ]

    def _learn(self, layer: int, deltas: list[float], inputs: list[float]) -> None:
        for k, delta in enumerate(deltas):
            for i, a in enumerate(inputs):
                self.weights[layer][k][i] -= self.options["step_size"] * delta * a
            self.biases[layer][k] -= self.options["step_size"] * delta

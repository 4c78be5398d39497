"""Continual backpropagation for one run, written a second time: unit by unit, in plain Python and double precision.

It follows the description of the algorithm, not our code: nothing is imported from it but the random numbers.
Slow on purpose. Weights are kept as `weights[layer][unit][input]`, one row for each unit, as in the papers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from perennial import streams
from perennial.streams import Address

LINEAR_ACTIVATIONS = {
    "relu": (lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0),
    "tanh": (math.tanh, lambda z: 1 - math.tanh(z) ** 2),
}


@dataclass
class Unit:
    """What continual backpropagation remembers of one hidden unit."""

    utility: float = 0.0
    mean: float = 0.0
    age: int = 0

    def corrected(self, value: float, decay: float) -> float:
        """A running average without the bias of its start at zero."""
        return value / (1 - decay**self.age)


@dataclass
class Weight:
    """Adam's memory of one weight."""

    first: float = 0.0
    second: float = 0.0
    age: int = 0


@dataclass
class Oracle:
    """One run of a network with any number of hidden layers and a single, linear output.

    Args:
        options: hyper-parameters by the names of the settings.
        weights: [layer][unit][input].
        biases: [layer][unit].
        bounds: initial weights of a layer are uniform within +-bounds[layer].
    """

    options: dict
    activation: str
    weights: list[list[list[float]]]
    biases: list[list[float]]
    bounds: list[float]
    seed: int
    task: int = 0
    renewed: list[tuple[int, int]] = field(default_factory=list)  # (layer, unit) of the last step, in order

    def __post_init__(self) -> None:
        sizes = [len(rows) for rows in self.weights]
        self.units = [[Unit() for _ in range(n)] for n in sizes[:-1]]
        self.saved = [0.0] * (len(sizes) - 1)
        self.adam = [[[Weight() for _ in row] for row in rows] for rows in self.weights]
        self.adam_biases = [[Weight() for _ in row] for row in self.biases]

    def step(self, x: list[float], target: float, step: int) -> None:
        """Learn one example."""
        outputs = self._learn(x, target)
        due = [self._judge_layer(layer, outputs[layer], step) for layer in range(len(self.units))]
        self.renewed = []
        for layer, chosen in enumerate(due):
            for unit in chosen:
                self._renew(layer, unit, step)
                self.renewed.append((layer, unit))

    # ---- the gradient step

    def _learn(self, x: list[float], target: float) -> list[list[float]]:
        """One step of gradient descent or Adam; returns the hidden layers' outputs before it."""
        function, slope = LINEAR_ACTIVATIONS[self.activation]
        inputs, sums = [x], []
        for layer, rows in enumerate(self.weights):
            z = [sum(w * a for w, a in zip(row, inputs[-1], strict=True)) for row in rows]
            z = [a + b for a, b in zip(z, self.biases[layer], strict=True)]
            sums.append(z)
            inputs.append([function(a) for a in z] if layer < len(self.weights) - 1 else z)
        delta = [2 * (inputs[-1][0] - target)]  # of the squared error
        deltas = [delta]
        for layer in range(len(self.weights) - 1, 0, -1):
            below = range(len(self.weights[layer - 1]))
            back = [sum(self.weights[layer][k][i] * d for k, d in enumerate(deltas[0])) for i in below]
            deltas.insert(0, [b * slope(z) for b, z in zip(back, sums[layer - 1], strict=True)])
        for layer, rows in enumerate(self.weights):
            for k, row in enumerate(rows):
                for i in range(len(row)):
                    g = deltas[layer][k] * inputs[layer][i]
                    row[i] -= self._change(row[i], g, self.adam[layer][k][i])
                bias = self.biases[layer]
                bias[k] -= self._change(bias[k], deltas[layer][k], self.adam_biases[layer][k])
        return inputs[1:-1]

    def _change(self, w: float, g: float, memory: Weight) -> float:
        o = self.options
        g += o["weight_decay"] * w
        if o["optimiser"] == "sgd":
            return o["step_size"] * g
        memory.age += 1
        memory.first = o["beta_1"] * memory.first + (1 - o["beta_1"]) * g
        memory.second = o["beta_2"] * memory.second + (1 - o["beta_2"]) * g**2
        unbias_1, unbias_2 = 1 - o["beta_1"] ** memory.age, 1 - o["beta_2"] ** memory.age
        if o["adam_bias_correction"] == "gnt_bug":
            return o["step_size"] * unbias_2 * memory.first / (math.sqrt(memory.second) + o["epsilon"])
        mean, square = memory.first / unbias_1, memory.second / unbias_2
        return o["step_size"] * mean / (math.sqrt(square) + o["epsilon"])

    # ---- who is to be renewed

    def _judge_layer(self, layer: int, outputs: list[float], step: int) -> list[int]:
        o, units = self.options, self.units[layer]
        eta = o["utility_decay"]
        for i, unit in enumerate(units):
            unit.age += 1
            unit.mean = eta * unit.mean + (1 - eta) * outputs[i]
            y = self._instantaneous(layer, i, outputs[i], unit.corrected(unit.mean, eta))
            unit.utility = eta * unit.utility + (1 - eta) * y
        eligible = [i for i, unit in enumerate(units) if unit.age > o["maturity_threshold"]]
        number = min(self._number(layer, len(eligible), step), len(eligible))
        lots = streams.uniforms(
            Address(streams.REPLACEMENT, self.seed, self.task, step, layer), len(units) + 1
        )

        def score(i: int) -> float:
            return (
                float(lots[i + 1]) if o["utility"] == "random" else units[i].corrected(units[i].utility, eta)
            )

        return sorted(eligible, key=score)[:number]

    def _instantaneous(self, layer: int, i: int, h: float, mean: float) -> float:
        consumers = [abs(row[i]) for row in self.weights[layer + 1]]
        producers = [abs(w) for w in self.weights[layer][i]]
        outgoing, incoming = sum(consumers) / len(consumers), sum(producers) / len(producers)
        return {
            "contribution": outgoing * abs(h),
            "zero_contribution": outgoing * abs(h - mean),
            "adaptable_contribution": outgoing * abs(h - mean) / incoming,
            "adaptation": 1 / incoming,
            "weight": outgoing,
            "feature_by_input": abs(h - mean) / incoming,
            "random": outgoing,
        }[self.options["utility"]]

    def _number(self, layer: int, eligible: int, step: int) -> int:
        o, width = self.options, len(self.units[layer])
        count = eligible if o["count"] == "eligible" else (width if eligible else 0)
        due = o["replacement_rate"] * count
        if o["fraction"] == "accumulate":
            self.saved[layer] += due
            whole = math.floor(self.saved[layer])
            self.saved[layer] -= whole
            return whole
        if due >= 1:
            return math.floor(due)
        coin = streams.uniforms(Address(streams.REPLACEMENT, self.seed, self.task, step, layer), 1)[0]
        return 1 if float(coin) < due else 0

    # ---- a new unit

    def _renew(self, layer: int, unit: int, step: int) -> None:
        old, o = self.units[layer][unit], self.options
        row = self.weights[layer][unit]
        place = Address(streams.REPLACEMENT, self.seed, self.task, step, layer + 256 * (unit + 1))
        if o["bias_transfer"] == "on":
            mean = old.corrected(old.mean, o["utility_decay"])
            for k, consumer in enumerate(self.weights[layer + 1]):
                self.biases[layer + 1][k] += mean * consumer[unit]
        for i, u in enumerate(streams.uniforms(place, len(row))):
            row[i] = (2 * float(u) - 1) * self.bounds[layer]
            self.adam[layer][unit][i] = Weight()
        self.biases[layer][unit] = 0.0
        self.adam_biases[layer][unit] = Weight()
        for k, consumer in enumerate(self.weights[layer + 1]):
            consumer[unit] = 0.0
            self.adam[layer + 1][k][unit] = Weight()
        self.units[layer][unit] = Unit()

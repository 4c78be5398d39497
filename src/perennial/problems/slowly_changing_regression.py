"""Slowly-changing regression: a small network follows a fixed random target network whose inputs drift.

Twenty input bits: fifteen slow bits, one of which flips every 10,000 examples, and five bits drawn anew for
each example. The target is a random network of 100 linear threshold units. (Nature 2024, Extended Data Fig. 2.)
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Size, Task
from perennial.settings import Settings as Base
from perennial.settings import switch

DATASET = None
NETWORK, START, FLIPS = range(3)  # layers of the sequence stream


class Settings(Base):
    """Settings of the slowly-changing regression problem."""

    inputs: int = Field(20, ge=2, le=30, description="input bits (m)")
    slow_bits: int = Field(15, ge=1, description="bits that change slowly (f); the others are fresh")
    flip_every: int = Field(10_000, ge=1, description="examples between two changes (T)")
    target_units: int = Field(100, ge=1, description="hidden threshold units of the target network")
    beta: float = Field(0.7, ge=0, le=1, description="share of matching bits at which a unit fires")
    flip: Literal["one", "all"] = switch(
        "one",
        "what changes every flip_every examples: one random slow bit, or all slow bits drawn anew",
        paper="one bit",
        code="one bit for the figure; its default configuration redraws all bits (README figure)",
    )
    target_threshold: Literal["code", "paper"] = switch(
        "code",
        "threshold of the target's units, tau = (m + 1) beta - S",
        paper="S = number of negative input weights, the bias counted among them",
        code="S = number of negative input weights + bias / 2 (a slip of sign); this one made the figure",
    )


def size(settings: Settings) -> Size:
    """One output; a task is what lies between two changes."""
    return Size(settings.inputs, Problem.outputs, settings.flip_every)


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """The target network and the slow bits of every task of one seed.

    Returns:
        input_weights [unit, i], hidden_biases [unit], output_weights [unit], output_bias [1], all -1 or +1
        (int8), and slow_bits [task, bit] (uint8).
    """
    units, inputs, slow = settings.target_units, settings.inputs, settings.slow_bits
    draws = streams.words(streams.Address(streams.SEQUENCE, seed, layer=NETWORK), units * (inputs + 2) + 1)
    signs = ((draws & 1).astype(np.int8) * 2 - 1).astype(np.int8)
    weights, hidden, output, bias = np.split(signs, np.cumsum([units * inputs, units, units]))
    return {
        "input_weights": weights.reshape(units, inputs),
        "hidden_biases": hidden,
        "output_weights": output,
        "output_bias": bias,
        "slow_bits": _slow_bits(settings.flip, slow, seed, tasks),
    }


def _slow_bits(flip: str, slow: int, seed: int, tasks: int) -> np.ndarray:
    """[task, bit] uint8."""
    bits = np.empty((tasks, slow), np.uint8)
    for task in range(tasks):
        if task == 0 or flip == "all":
            address = streams.Address(streams.SEQUENCE, seed, task=task, layer=START)
            bits[task] = streams.words(address, slow) & 1
        else:
            address = streams.Address(streams.SEQUENCE, seed, task=task, layer=FLIPS)
            bits[task] = bits[task - 1]
            bits[task, int(streams.uniforms(address, 1)[0] * slow)] ^= 1
    return bits


def target(settings: Settings, network: Arrays, x: np.ndarray) -> np.ndarray:
    """The target network's output for inputs x [n, i] of zeros and ones: [n] float32.

    A unit fires when w.x + b > tau (Nature 2024, Methods; Sutton and Whitehead 1993).
    """
    w, b = network["input_weights"].astype(np.float64), network["hidden_biases"].astype(np.float64)
    negative = (w < 0).sum(1)  # [unit]
    s = negative + (b / 2 if settings.target_threshold == "code" else (b < 0))
    tau = (settings.inputs + 1) * settings.beta - s
    fires = x @ w.T + b > tau + 1e-9  # [n, unit]; ties (whole numbers) must not depend on rounding
    return (fires @ network["output_weights"].astype(np.float64) + network["output_bias"][0]).astype(
        np.float32
    )


class Problem:
    """The stream of one seed. Within a task the slow bits stand still, so few different inputs occur."""

    loss, axis, outputs, bits = "squared_error", "example", 1, True

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        self.settings, self.seed, self.sequence = settings, seed, sequence
        self.inputs = settings.inputs
        fast = settings.inputs - settings.slow_bits
        self._fast = (np.arange(2**fast)[:, None] >> np.arange(fast)) & 1  # [pattern, fast bit]

    def task(self, index: int) -> Task:
        """Every input that can occur in the task, and the order in which they come."""
        slow = np.broadcast_to(self.sequence["slow_bits"][index], (len(self._fast), self.settings.slow_bits))
        inputs = np.concatenate([slow, self._fast], axis=1).astype(np.float32)  # [pattern, i]
        return Task(inputs, target(self.settings, self.sequence, inputs), self._order(index))

    def _order(self, index: int) -> np.ndarray:
        """[flip_every] int64: fresh bits of each example, several to a word."""
        fast = self.settings.inputs - self.settings.slow_bits
        each = 32 // max(fast, 1)
        address = streams.Address(streams.ORDER, self.seed, task=index)
        draws = streams.words(address, -(-self.settings.flip_every // each))
        shifts = (np.arange(each) * fast).astype(np.uint32)
        patterns = (draws[:, None] >> shifts) & np.uint32(2**fast - 1)
        return patterns.reshape(-1)[: self.settings.flip_every].astype(np.int64)

    def probe(self, task: Task) -> np.ndarray:
        """[pattern, i]: all inputs of the coming task."""
        return task.inputs

    def coordinate(self, index: int) -> int:
        """The number of examples seen before task `index`."""
        return index * self.settings.flip_every

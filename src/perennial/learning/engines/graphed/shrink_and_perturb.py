"""Shrink and perturb: the descent with decay, then one long draw of noise, cut up over the layers."""

from __future__ import annotations

from itertools import pairwise

from perennial import streams
from perennial.learning.algorithms.shrink_and_perturb import Settings, descent
from perennial.learning.engines import fast_path
from perennial.learning.engines.graphed import draws, step
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.step import Stack

__all__ = ["KNOWS", "Rule", "Settings", "unsupported"]

KNOWS = {"noise": ("gaussian", "sum4"), "optimiser": ("sgd", "adam")}


class Rule(step.Rule):
    """The update of L2 or of Adam, then w <- w + noise_std n, n fresh for each weight."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        parts = [descent(hyper) for hyper in stack.hypers]
        rule = fast_path("graphed", parts[0][0]).Rule  # by name: Adam's file concerns only those who use it
        self.descent = rule(stack.under([own for _name, own in parts]))
        self.std, self.noisy = stack.rate("noise_std"), stack.any("noise_std")
        kind = {"gaussian": "normals", "sum4": "sum4"}[stack.hypers[0].noise]
        self.draw = draws.on(stack.layout.device, kind)

    def update(self, layer: int) -> None:
        """The descent of one layer."""
        self.descent.update(layer)

    def end(self) -> None:
        """Perturb: number i * outputs + o of a layer's part belongs to weight [i, o]; its biases follow."""
        if not self.noisy:
            return
        stack, sizes = self.stack, self.stack.network.sizes
        counts = [n for i, o in pairwise(sizes) for n in (i * o, o)]
        noise = self.draw(streams.NOISE, stack.clock, 0, sum(counts), stack.layout.device)  # [r, all]
        parts = noise.to(stack.layout.dtype).split(counts, dim=1)
        for layer, (i, o) in enumerate(pairwise(sizes)):
            part = parts[2 * layer].view(-1, i, o)  # [r, i o] -> [r, i, o]
            stack.w[layer][:, :i, :o].addcmul_(part, self.std)
            stack.b[layer][:, :o].addcmul_(parts[2 * layer + 1], self.std[:, 0])

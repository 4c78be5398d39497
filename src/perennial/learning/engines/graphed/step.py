"""One step of a stack: forward, performance, backward and update, on fixed memory.

With one example per run the gradient of a weight matrix is an outer product, h' delta; it is added in place and
never stored. Arrays: h[l] [r, 1, i] the inputs of layer l, z[l] and delta[l] [r, 1, o] its sums and the loss's
derivative by them. The derivative of every activation is a function of its output (of the swish: also of its
input), as in `perennial.learning.engines.fused.loop`.
"""

# ruff: noqa: B027  a rule leaves alone what it does not define
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from perennial.lazy import torch
from perennial.learning.engines.graphed.runs import Runs
from perennial.learning.networks.mlp import LEAK


class Stack(Runs):
    """What an algorithm's rule works on. Arguments: see `Runs`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        network, layout, state = self.network, self.layout, self.state
        self.layers = range(network.layers)
        self.w = [state["weights"][f"weight_{n}"] for n in self.layers]  # [r, i, o]
        self.b = [state["weights"][f"bias_{n}"] for n in self.layers]  # [r, o]
        self.h = [layout.zeros(1, n) for n in network.sizes[:-1]]
        self.z, self.delta = ([layout.zeros(1, n) for n in network.sizes[1:]] for _ in range(2))
        self.slope = [layout.zeros(1, n) for n in network.sizes[:-1]]


class Rule(ABC):
    """An algorithm's part of a step; what it leaves alone it does not define."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def pre_activation(self, layer: int, z: Any) -> None:
        """Change the sums z [r, 1, h] of a hidden layer in place, before its activation function."""

    def post_activation(self, layer: int, h: Any, slope: Any) -> None:
        """Change a hidden layer's outputs h and their derivatives by its sums, [r, 1, h], in place."""

    def backward(self, layer: int, delta: Any) -> None:
        """Take delta [r, 1, h] in place back through what `pre_activation` did."""

    @abstractmethod
    def update(self, layer: int) -> None:
        """Move the layer's weights; output layer first. Their gradient is h[layer]' delta[layer]."""

    def end(self) -> None:
        """Close the step, after all layers."""


class Step:
    """A step of a stack, to be called once for each example of a task.

    Args:
        stack: state and buffers.
        rule: the algorithm's part.
        loss: squared_error or cross_entropy.
    """

    def __init__(self, stack: Stack, rule: Rule, loss: str) -> None:
        self.stack, self.rule, self.loss = stack, rule, loss
        self.outputs = stack.network.sizes[-1]
        self.real = [stack.layout.real(n).to(stack.layout.dtype) for n in stack.network.sizes[:-1]]
        self.minus_one = torch.full_like(stack.delta[-1][:, :, :1], -1.0)

    def __call__(self) -> None:
        """Show every run its next example."""
        stack = self.stack
        examples, targets = stack.feed.take()
        stack.h[0].copy_(examples)
        for layer in stack.layers:
            self._forward(layer)
        performance = self._judge(targets[:, 0])
        for layer in reversed(stack.layers):
            self._backward(layer)
            self.rule.update(layer)
        self.rule.end()
        stack.feed.log(performance)

    def _forward(self, layer: int) -> None:
        """z = h W + b, and the next layer's input."""
        stack = self.stack
        z = torch.baddbmm(stack.b[layer].unsqueeze(1), stack.h[layer], stack.w[layer], out=stack.z[layer])
        if layer + 1 < len(stack.layers):
            h, slope = stack.h[layer + 1], stack.slope[layer + 1]
            self.rule.pre_activation(layer, z)
            activate(stack.network.activation, z, h, slope, self.real[layer + 1])
            self.rule.post_activation(layer, h, slope)

    def _judge(self, target: Any) -> Any:
        """Performance [r] before the update; fills the delta of the outputs."""
        z, delta = self.stack.z[-1], self.stack.delta[-1]
        if self.loss == "squared_error":
            error = z[:, 0, 0] - target
            delta[:, 0, 0] = 2 * error
            return error * error
        logits = z[:, :, : self.outputs]
        delta[:, :, : self.outputs] = torch.softmax(logits, 2)
        delta.scatter_add_(2, target.view(-1, 1, 1), self.minus_one)
        return (logits[:, 0].argmax(1) == target).to(z.dtype)

    def _backward(self, layer: int) -> None:
        """The delta of the layer below, from the weights before their update."""
        stack = self.stack
        if layer > 0:
            below = stack.delta[layer - 1]
            torch.bmm(stack.delta[layer], stack.w[layer].transpose(1, 2), out=below)
            below.mul_(stack.slope[layer])
            self.rule.backward(layer - 1, below)


def activate(name: str, z: Any, h: Any, slope: Any, real: Any) -> None:
    """Fill h and slope, of the shape of z, with the activation and its derivative. `real` is 0 at pads, else 1."""
    if name == "relu":
        torch.clamp_min(z, 0, out=h)
        torch.sign(h, out=slope)
    elif name == "leaky_relu":
        h.copy_(torch.nn.functional.leaky_relu(z, LEAK))
        slope.fill_(1).masked_fill_(z <= 0, LEAK)
    elif name == "tanh":
        torch.tanh(z, out=h)
        slope.copy_(1 - h * h)
    elif name == "elu":
        h.copy_(torch.nn.functional.elu(z))
        torch.add(h, 1, out=slope).clamp_max_(1)
    elif name in ("sigmoid", "swish"):
        s = torch.sigmoid(z) * real  # half at a pad otherwise
        h.copy_(s if name == "sigmoid" else z * s)
        slope.copy_(s * (1 - s) if name == "sigmoid" else s + h * (1 - s))
    else:
        raise ValueError(f"activation {name}")

"""One step of a stack in mini-batches: forward, performance, backward and update, on fixed memory."""

from __future__ import annotations

from typing import Any

from perennial.lazy import torch
from perennial.learning import losses
from perennial.learning.engines.graphed.batches import convolution
from perennial.learning.engines.graphed.batches.flat import Flat
from perennial.learning.engines.graphed.runs import Runs
from perennial.learning.losses import LossSpec


class Stack(Runs):
    """What an algorithm's rule works on. Arguments: see `Runs`.

    Args:
        memory: of the state: `weights`, and each kind of the optimiser's.
    """

    def __init__(self, memory: dict[str, Flat], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.weights = memory["weights"].whole  # [r, size]
        self.velocity = memory["velocity"].whole if "velocity" in memory else None
        views = memory["weights"].views
        self.gradients = Flat(views, list(views), self.layout.device)


class Step:
    """A step of a stack, to be called once for each mini-batch of a task.

    Args:
        stack: state and buffers.
        rule: the algorithm's part.
        loss: any of one network.
    """

    def __init__(self, stack: Stack, rule: Any, loss: LossSpec) -> None:
        self.stack, self.rule, self.loss = stack, rule, loss
        self.keys = [layer.key for layer in stack.networks.hidden]

    def __call__(self) -> None:
        """Show every run its next mini-batch."""
        stack = self.stack
        x, targets = stack.feed.take()
        leaves = {name: w.detach().requires_grad_() for name, w in stack.real["weights"].items()}
        features: list[Any] = []

        def run(name: str, inputs: Any) -> Any:
            outputs, features[:] = forward(stack.network, leaves, inputs)
            return outputs

        with torch.enable_grad():
            batch = {"inputs": x.to(stack.layout.dtype), "targets": targets}
            each, performance = losses.get(self.loss.name)(run, batch, self.loss.settings)  # [r]
            names = list(stack.gradients.views)
            found = torch.autograd.grad(each.sum(), [leaves[name] for name in names])
        stack.gradients.fill(found)
        self.rule.step({key: h.detach() for key, h in zip(self.keys, features, strict=True)})
        stack.feed.log(performance.detach().to(torch.float64))


def forward(network: Any, weights: dict[str, Any], x: Any) -> tuple[Any, list[Any]]:
    """Outputs [r, b, o] and hidden activations [r, b, h p] for inputs [r, b, i]."""
    how = {"convolve": convolution.chosen()} if hasattr(network, "convolutions") else {}
    return network.forward(weights, x, **how)

"""Adam: moments of every weight, padded like the weights."""

from __future__ import annotations

from perennial.lazy import torch
from perennial.learning.algorithms.adam import Settings
from perennial.learning.engines.graphed import step
from perennial.learning.engines.graphed.backprop import unsupported
from perennial.learning.engines.graphed.gradients import Gradients
from perennial.learning.engines.graphed.runs import bias_correction
from perennial.learning.engines.graphed.step import Stack

__all__ = ["Rule", "Settings", "unsupported"]


class Rule(step.Rule):
    """m, v <- moments of the gradient; w <- w - step_size m' / (sqrt(v') + epsilon), m' and v' corrected."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.gradients = Gradients(stack)
        self.gains = [stack.gain(name) for name in ("beta_1", "beta_2")]
        self.step_size, self.epsilon = (stack.rate(n, 2, torch.float64) for n in ("step_size", "epsilon"))
        unit = stack.layout.unit  # corrections are computed in whole registers, like everything else
        self.logs = [stack.log(n, 2, torch.float64).repeat(1, unit) for n in ("beta_1", "beta_2")]
        self.steps = torch.zeros_like(self.logs[0])  # [r, unit], every column the same
        self.scale, self.shift = (stack.rate("step_size") for _ in range(2))  # [r, 1, 1], set in each step

    def update(self, layer: int) -> None:
        """One layer; the output layer comes first and opens the step."""
        if layer + 1 == len(self.stack.layers):
            self._begin()
        optimiser = self.stack.state["optimiser"]
        for name, w, g in self.gradients.of(layer):
            m, v = optimiser["first_moment"][name], optimiser["second_moment"][name]
            gain_1, gain_2, scale, shift = (
                rate.view(-1, *[1] * (w.dim() - 1)) for rate in (*self.gains, self.scale, self.shift)
            )
            m.lerp_(g, gain_1)
            v.lerp_(g.square_(), gain_2)
            torch.sqrt(v, out=g).add_(shift)
            w.addcmul_(torch.div(m, g, out=g), scale)

    def _begin(self) -> None:
        """Count the step; w changes by scale m / (sqrt(v) + shift), which is Adam with bias correction."""
        steps = self.stack.state["optimiser"]["step"].add_(1)
        self.steps.copy_(steps.unsqueeze(1))
        correct_1, correct_2 = (bias_correction(log, self.steps)[:, :1] for log in self.logs)  # [r, 1]
        root = correct_2.sqrt()
        self.scale.copy_((-self.step_size * root / correct_1).unsqueeze(2))
        self.shift.copy_((self.epsilon * root).unsqueeze(2))

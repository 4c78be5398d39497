"""Adam with an age for each weight, for continual backpropagation: a renewed weight is corrected for its own age."""

from __future__ import annotations

from perennial.learning.engines.graphed import step
from perennial.learning.engines.graphed.gradients import Gradients
from perennial.learning.engines.graphed.runs import bias_correction
from perennial.learning.engines.graphed.step import Stack


class AgedAdam(step.Rule):
    """The gradient step of `perennial.learning.algorithms.cbp` with optimiser adam."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.gradients = Gradients(stack)
        self.standard = stack.hypers[0].adam_bias_correction == "standard"
        betas = ("beta_1", "beta_2")
        self.gains = {dims: [stack.gain(name, dims) for name in betas] for dims in (2, 3)}
        self.logs = {dims: [stack.log(name, dims) for name in betas] for dims in (2, 3)}
        self.rates = {dims: [stack.rate(n, dims) for n in ("step_size", "epsilon")] for dims in (2, 3)}

    def update(self, layer: int) -> None:
        """One layer."""
        optimiser = self.stack.state["optimiser"]
        for name, w, g in self.gradients.of(layer):
            step_size, epsilon = self.rates[w.dim()]
            gain_1, gain_2 = self.gains[w.dim()]
            m, v, t = (optimiser[kind][name] for kind in ("first_moment", "second_moment", "age"))
            t.add_(1)
            m.lerp_(g, gain_1)
            v.lerp_(g.square_(), gain_2)
            correct_1, correct_2 = (bias_correction(log, t) for log in self.logs[w.dim()])
            if self.standard:
                w.sub_(step_size / correct_1 * m / (v.sqrt() / correct_2.sqrt() + epsilon))
            else:
                w.sub_(step_size * correct_2 * m / (v.sqrt() + epsilon))

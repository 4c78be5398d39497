"""What algorithms on Adam's moments share. It stands apart so that an edit of Adam's file concerns Adam alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import Field

from perennial.lazy import torch
from perennial.settings import Settings as Base


class Settings(Base):
    """Hyper-parameters of Adam (Kingma and Ba 2015)."""

    step_size: float = Field(gt=0, description="step size (learning rate)")
    beta_1: float = Field(0.9, ge=0, lt=1, description="decay of the mean of the gradients")
    beta_2: float = Field(0.999, ge=0, lt=1, description="decay of the mean of their squares")
    epsilon: float = Field(1e-8, gt=0, description="added to the root of the second moment")
    weight_decay: float = Field(0.0, ge=0, description="strength of the coupled L2 penalty")


def bias_correction(decay: float, age: Any) -> Any:
    """1 - decay^age, the share of a running average that is not its start at zero.

    By expm1, which keeps all digits at small ages; and torch's power would round differently at different places
    of a tensor, so that a run's last bits would depend on its place in the stack.

    Args:
        decay: of the running average, in [0, 1).
        age: updates so far, at least 1; floating point, of any shape; a tensor or an array.
    """
    expm1 = np.expm1 if isinstance(age, np.ndarray) else torch.expm1
    return -expm1(age * math.log(decay)) if decay > 0 else 0 * age + 1


def step(
    settings: Settings, m: Any, v: Any, w: Any, g: Any, age: Any, rate: Any, damped: bool = False
) -> None:
    """One step of Adam on one array, in place (Kingma and Ba 2015, algorithm 1); weight decay is coupled.

    Args:
        m, v: mean of the gradients and of their squares, of the shape of w.
        w, g: weights and their gradient.
        age: updates so far of each weight, at least 1; broadcast to the shape of w.
        rate: multiplies the step size.
        damped: the bias correction of the continual backpropagation authors' code, where an in-place call acts on a
            temporary: step_size (1 - beta_2^t) m / (sqrt(v) + epsilon).
    """
    g = g + settings.weight_decay * w
    m.mul_(settings.beta_1).add_(g, alpha=1 - settings.beta_1)
    v.mul_(settings.beta_2).addcmul_(g, g, value=1 - settings.beta_2)
    correct_1, correct_2 = (bias_correction(beta, age) for beta in (settings.beta_1, settings.beta_2))
    step_size = settings.step_size * rate
    if damped:
        w.sub_(step_size * correct_2 * m / (v.sqrt() + settings.epsilon))
    else:
        w.sub_(step_size / correct_1 * m / (v.sqrt() / correct_2.sqrt() + settings.epsilon))

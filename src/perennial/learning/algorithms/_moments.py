"""What algorithms on Adam's moments share. It stands apart so that an edit of Adam's file concerns Adam alone."""

from __future__ import annotations

import math
from typing import Any

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
        age: updates so far, at least 1; floating point, of any shape.
    """
    return -torch.expm1(age * math.log(decay)) if decay > 0 else torch.ones_like(age)

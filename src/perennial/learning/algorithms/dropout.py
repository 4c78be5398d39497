"""Dropout (Srivastava et al. 2014): each hidden unit's output is left out with a fixed probability at each step.

What is kept is divided by the share kept ("inverted" scaling), so the network is used as it is when dropout is off:
in probes. The study's authors published no code of it. The online accuracy is here that of the training pass, with
units left out: the published drop on the first task, 94.10 to 93.47 % for probability 0.1, fits that.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from perennial import streams
from perennial.learning.algorithms import Clock, State, backprop
from perennial.streams import tensors


class Settings(backprop.Settings):
    """Hyper-parameters of dropout."""

    probability: float = Field(ge=0, lt=1, description="probability that a hidden unit is left out of a step")


init, update = backprop.init, backprop.update


def post_activation(settings: Settings, state: State, layer: Any, h: Any, clock: Clock | None) -> Any:
    """h m / (1 - probability), m = 0 for units left out and 1 for the others; h itself in a probe.

    Args:
        h: activations [r, b, h].
        clock: None in a probe.
    """
    if clock is None or settings.probability == 0:
        return h
    runs, batch, units = h.shape
    u = tensors.uniforms(streams.DROPOUT, clock, layer.address, batch * units, h.device)  # [r, b h]
    kept = (u >= settings.probability).view(runs, batch, units).to(h.dtype)
    return h * (kept * (1 / (1 - settings.probability)))

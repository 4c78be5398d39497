"""Shrink and perturb, incremental form: weight decay and Gaussian noise on every weight at every step.

(Nature 2024, Methods. The original of Ash and Adams 2020 acts once per task.)
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from perennial import streams
from perennial.algorithms import Clock, State, backprop, l2
from perennial.settings import switch
from perennial.streams import tensors


class Settings(l2.Settings):
    """Hyper-parameters of shrink and perturb."""

    noise_std: float = Field(
        ge=0, description="standard deviation of the noise added to each weight and bias"
    )
    noise: Literal["gaussian", "sum4"] = switch(
        "gaussian",
        "distribution of the noise: normal, or the cheaper sum of four 4-bit uniforms of equal variance",
        paper="gaussian",
        code="gaussian; the grid's column is called a variance in one table, but is used as standard deviation",
    )


init = backprop.init


def update(
    settings: Settings, network: Any, state: State, gradients: Any, features: Any, clock: Clock
) -> None:
    """w <- w - step_size (g + weight_decay w) + noise_std n, n fresh for each weight."""
    l2.update(settings, network, state, gradients, features, clock)
    noise = tensors.noise_for(state["weights"], network.names, settings.noise, streams.NOISE, clock)
    for name, w in state["weights"].items():
        w.add_(noise[name], alpha=settings.noise_std)

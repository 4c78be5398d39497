"""Fully connected network with LeCun's first weights: uniform within +-sqrt(3 / fan_in) in every layer, the last too.

Nature 2024's policy and value networks for reinforcement learning; everything else is as in `mlp`.
"""

from __future__ import annotations

from pydantic import Field

from perennial.learning.networks import mlp
from perennial.learning.networks.mlp import width
from perennial.settings import switch

__all__ = ["Network", "Settings", "width"]


class Settings(mlp.Settings):
    """Settings of the network."""

    first_fan_in: int = switch(
        0,
        "fan-in that the first layer's weights are drawn for; 0: its number of inputs",
        paper="not mentioned",
        code="111 for the Ant, of whose inputs 84 are always zero",
        ge=0,
    )
    hidden: list[int] = Field([256, 256], description="units of each hidden layer")


class Network(mlp.Network):
    """A fully connected network of a given shape; it holds no weights."""

    def __init__(
        self, settings: Settings, inputs: int, outputs: int, shape: tuple[int, ...] | None = None
    ) -> None:
        super().__init__(settings, inputs, outputs, shape)
        fans = [settings.first_fan_in or inputs, *settings.hidden]
        self.bounds = [(3 / fan) ** 0.5 for fan in fans]

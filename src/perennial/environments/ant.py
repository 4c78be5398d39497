"""The Ant: four legs, eight torques, forward reward (gym Ant-v3). With drawn frictions: the Slippery Ant (Nature 2024).

Of 111 observations 84 are contact forces that are always zero with MuJoCo 2: the agent is shown the 27 others, and its
first layer starts with the fan-in of 111 (`network.first_fan_in`), or is shown all (`observation: padded`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from perennial import streams
from perennial.environments import RESET, _mujoco
from perennial.problems import Arrays, Size
from perennial.settings import switch

DATASET = None
LIVE, ALL, ACTIONS = 27, 111, 8


class Settings(_mujoco.Settings):
    """Settings of the Ant."""

    observation: Literal["live", "padded"] = switch(
        "live",
        "what the agent is shown: the 27 numbers that change, or 84 zeros beside them",
        paper="not mentioned",
        code="111 numbers, of which 84 are always zero",
    )


def size(settings: Settings) -> Size:
    """Observations and torques."""
    return Size(LIVE if settings.observation == "live" else ALL, ACTIONS, 0)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """friction [change] where it is drawn."""
    return _mujoco.frictions(settings, seed, length)


class Environment(_mujoco.Walker):
    """One run's Ant."""

    file, skip, control_cost, dropped = "ant.xml", 5, 0.5, 2

    def observe(self) -> np.ndarray:
        """[27] or [111] float64: positions without x and y, velocities, zeros."""
        seen = super().observe()
        padded = self.settings.observation == "padded"
        return np.concatenate([seen, np.zeros(ALL - LIVE)]) if padded else seen

    def _place(self) -> float:
        """Of the torso, as the simulation last computed it."""
        return float(self.data.xpos[1, 0])

    def healthy(self) -> bool:
        """The torso is between 0.2 and 1 high, and all is finite."""
        q = self.data.qpos
        return bool(np.isfinite(q).all() and np.isfinite(self.data.qvel).all() and 0.2 <= q[2] <= 1.0)

    def _first(self, address: streams.Address) -> tuple[np.ndarray, np.ndarray]:
        """Uniform noise on positions, normal noise on velocities."""
        n = self.model.nq
        u = streams.uniforms(address, n).astype(np.float64) * 2 - 1
        z = streams.normals(address._replace(layer=RESET + 1), self.model.nv).astype(np.float64)
        return self.model.qpos0 + 0.1 * u, 0.1 * z

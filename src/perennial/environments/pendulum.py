"""The pendulum: swing it up with a weak motor and hold it. Cheap enough to watch PPO collapse in minutes.

The equations are those of gymnasium's Pendulum-v1, in double precision; rewards are scaled.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.environments import RESET
from perennial.problems import Arrays, Size
from perennial.settings import Settings as Base

DATASET = None
GRAVITY, TORQUE, SPEED, DT = 10.0, 2.0, 8.0, 0.05


class Settings(Base):
    """Settings of the pendulum."""

    limit: int = Field(200, ge=1, description="steps of an episode")
    reward_scale: float = Field(0.1, gt=0, description="multiplies the rewards")
    inputs: int = Field(
        16, ge=3, description="numbers that the agent is shown; those after the third are zero"
    )


def size(settings: Settings) -> Size:
    """Cosine, sine and speed, then zeros; one torque."""
    return Size(settings.inputs, 1, 0)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """Nothing changes."""
    return {}


class Environment:
    """One run's pendulum: angle (0 is up) and speed."""

    def __init__(self, settings: Settings, seed: int, sequence: Arrays) -> None:
        self.settings, self.seed = settings, seed
        self.timed_out, self.final = False, np.zeros(0)
        self._reset(0)

    def _reset(self, step: int) -> None:
        u = streams.uniforms(streams.Address(streams.SEQUENCE, self.seed, step=step, layer=RESET), 2)
        u = u.astype(np.float64) * 2 - 1
        self.angle, self.speed, self.begun = float(u[0] * math.pi), float(u[1]), step

    def observe(self) -> np.ndarray:
        """[i] float64."""
        seen = np.zeros(self.settings.inputs)
        seen[:3] = math.cos(self.angle), math.sin(self.angle), self.speed
        return seen

    def act(self, action: np.ndarray, step: int) -> tuple[float, bool]:
        """A torque, clamped to 2: the reward, and whether the time is up."""
        torque = min(max(float(action[0]), -TORQUE), TORQUE)
        angle = (self.angle + math.pi) % (2 * math.pi) - math.pi
        cost = angle**2 + 0.1 * self.speed**2 + 0.001 * torque**2
        speed = self.speed + (1.5 * GRAVITY * math.sin(self.angle) + 3 * torque) * DT
        self.speed = min(max(speed, -SPEED), SPEED)
        self.angle += self.speed * DT
        self.timed_out = step + 1 - self.begun >= self.settings.limit
        if self.timed_out:
            self.final = self.observe()
            self._reset(step + 1)
        return -cost * self.settings.reward_scale, self.timed_out

    def state(self) -> Arrays:
        """Angle, speed, start of the episode."""
        return {"state": np.array([self.angle, self.speed]), "begun": np.array(self.begun)}

    def load(self, state: Arrays) -> None:
        """Go on from there."""
        self.angle, self.speed = map(float, state["state"])
        self.begun = int(state["begun"])

"""A chain of five states: an episode begins in the middle and ends at either end; only the right one is worth it."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Size
from perennial.settings import Settings as Base

DATASET = None
STATES, MIDDLE = 5, 2


class Settings(Base):
    """Settings of the chain."""

    slip: float = Field(0.1, ge=0, le=1, description="probability that an action does its opposite")


def size(settings: Settings) -> Size:
    """One input for each state; two actions, left and right."""
    return Size(STATES, 2, 0)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """slips [step] bool: at which steps of the run an action does its opposite."""
    u = streams.uniforms(streams.Address(streams.SEQUENCE, seed), length)
    return {"slips": u < settings.slip}


class Environment:
    """One run's chain."""

    def __init__(self, settings: Settings, seed: int, sequence: Arrays) -> None:
        self.slips, self.at = sequence["slips"], MIDDLE

    def observe(self) -> np.ndarray:
        """[state]: 1 where the agent is, else 0."""
        return np.eye(STATES, dtype=np.float32)[self.at]

    def act(self, action: int, step: int) -> tuple[float, bool]:
        """Go left (0) or right (1)."""
        right = bool(action) != bool(self.slips[step])
        self.at += 1 if right else -1
        ended = self.at in (0, STATES - 1)
        reward = float(self.at == STATES - 1)
        self.at = MIDDLE if ended else self.at
        return reward, ended

    def state(self) -> Arrays:
        """Where the agent is."""
        return {"at": np.array(self.at)}

    def load(self, state: Arrays) -> None:
        """Go on from there."""
        self.at = int(state["at"])

"""The Hopper: one leg, three torques (gym Hopper-v3; Nature 2024, Extended Data Fig. 5a)."""

from __future__ import annotations

import numpy as np

from perennial.environments import _mujoco
from perennial.environments._mujoco import Settings
from perennial.problems import Arrays, Size

__all__ = ["DATASET", "Environment", "Settings", "sequence", "size"]

DATASET = None


def size(settings: Settings) -> Size:
    """Observations and torques."""
    return Size(11, 3, 0)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """friction [change] where it is drawn."""
    return _mujoco.frictions(settings, seed, length)


class Environment(_mujoco.Walker):
    """One run's Hopper."""

    file, skip, control_cost, speed_limit, dropped = "hopper.xml", 4, 1e-3, 10.0, 1

    def healthy(self) -> bool:
        """Higher than 0.7, upright within 0.2, everything but x within 100."""
        q, state = self.data.qpos, np.concatenate([self.data.qpos, self.data.qvel])[2:]
        return bool((np.abs(state) < 100).all() and q[1] > 0.7 and abs(q[2]) < 0.2)

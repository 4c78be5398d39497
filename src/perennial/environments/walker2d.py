"""The Walker2d: two legs, six torques (gym Walker2d-v3; Nature 2024, Extended Data Fig. 5a)."""

from __future__ import annotations

from typing import Any, Literal

from perennial.environments import _mujoco
from perennial.problems import Arrays, Size
from perennial.settings import switch

DATASET = None


class Settings(_mujoco.Settings):
    """Settings of the Walker2d."""

    walker_foot_friction: Literal["unequal", "equal"] = switch(
        "unequal",
        "sliding friction of the right foot: 0.9, or 1.9 like the left one's",
        paper="not mentioned",
        code="unequal, as the model of version 3 says; equal since version 5",
    )


def size(settings: Settings) -> Size:
    """Observations and torques."""
    return Size(17, 6, 0)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """friction [change] where it is drawn."""
    return _mujoco.frictions(settings, seed, length)


class Environment(_mujoco.Walker):
    """One run's Walker2d."""

    file, skip, control_cost, speed_limit, dropped = "walker2d.xml", 4, 1e-3, 10.0, 1

    def _body(self) -> Any:
        model = super()._body()
        if self.settings.walker_foot_friction == "equal":
            model.geom("foot_geom").friction[0] = model.geom("foot_left_geom").friction[0]
        return model

    def healthy(self) -> bool:
        """Between 0.8 and 2 high, upright within 1."""
        height, angle = self.data.qpos[1:3]
        return bool(0.8 < height < 2.0 and abs(angle) < 1.0)

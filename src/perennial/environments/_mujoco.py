"""What the MuJoCo environments share: physics, episodes, friction, and a state to go on from to the last bit.

The models are read from the installed gymnasium package (MIT licence); nothing else of it is used here.
Behaviour is that of gym's version 3 environments (Nature 2024 ran gym 0.23.1). The test's oracle is version 4.
"""

from __future__ import annotations

import abc
import functools
import importlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.environments import RESET
from perennial.errors import UserError
from perennial.problems import Arrays
from perennial.settings import Settings as Base
from perennial.settings import switch

LIMIT = 1000  # steps of an episode (gym's time limit)
FRICTION = 0  # its place in the stream of what a seed meets


class NoPhysics(UserError, ImportError):
    """MuJoCo or its models are not installed; the message names the package."""


class Settings(Base):
    """Settings of a MuJoCo environment."""

    integrator: Literal["rk4", "euler"] = switch(
        "rk4",
        "integrator of the simulation; euler is nearly four times cheaper, and another simulation",
        paper="not mentioned",
        code="rk4, as the model says",
    )
    alive_at_end: Literal["paid", "unpaid"] = switch(
        "paid",
        "whether the bonus for being healthy is paid on the step that ends an episode",
        paper="not mentioned",
        code="paid (version 3); unpaid since version 5",
    )
    frictions: Literal["constant", "drawn"] = switch(
        "constant",
        "sliding friction of all bodies: the model's, or another for each part of a run, log-uniform",
        paper="drawn for the Slippery Ant; constant otherwise",
        code="from a file of 100 log-uniform sequences, which the runs of all algorithms share",
    )
    friction_low: float = Field(0.02, gt=0, description="lowest friction that is drawn")
    friction_high: float = Field(2.0, gt=0, description="highest friction that is drawn")
    friction_steps: int = Field(
        2_000_000,
        ge=1,
        description="friction changes at the first end of an episode after more steps than that",
    )


def frictions(settings: Settings, seed: int, length: int) -> Arrays:
    """friction [change] float64: one for each part of a run; none where it is constant."""
    if settings.frictions == "constant":
        return {}
    u = streams.uniforms(
        streams.Address(streams.SEQUENCE, seed, layer=FRICTION), length // settings.friction_steps + 1
    )
    low, high = np.log10(settings.friction_low), np.log10(settings.friction_high)
    return {"friction": 10 ** (low + (high - low) * u.astype(np.float64))}


@functools.cache
def _physics() -> Any:
    """The module mujoco, imported where it is first needed."""
    try:
        return importlib.import_module("mujoco")
    except ImportError as error:
        raise NoPhysics("environment: needs the package mujoco (see envs/requirements.txt)") from error


def model_file(name: str) -> Path:
    """Path of a model of the installed gymnasium package.

    Raises:
        NoPhysics: it is not installed.
    """
    spec = find_spec("gymnasium")
    if spec is None:
        raise NoPhysics("environment: needs the package gymnasium for its models (see envs/requirements.txt)")
    return Path(next(iter(spec.submodule_search_locations or [])), "envs", "mujoco", "assets", name)


class Walker(abc.ABC):
    """One run's body on the ground; an `Environment` of `perennial.environments`. Bodies say what stands at the end."""

    file: str
    skip: int  #: simulation steps of one action
    control_cost: float
    speed_limit = np.inf  #: velocities are shown within plus and minus this
    dropped: int  #: first positions that the agent does not see

    def __init__(self, settings: Settings, seed: int, sequence: Arrays) -> None:
        physics = _physics()
        self.settings, self.seed, self.friction = settings, seed, sequence.get("friction")
        self.model = self._body()
        kind = {"rk4": "mjINT_RK4", "euler": "mjINT_EULER"}[settings.integrator]
        self.model.opt.integrator = getattr(physics.mjtIntegrator, kind)
        self.data = physics.MjData(self.model)
        self.kind = physics.mjtState.mjSTATE_INTEGRATION
        # Steps of the run at which the episode and the last change began, and how many changes there were.
        self.begun = self.changed = self.change = 0
        self.timed_out, self.final = False, np.zeros(0)  #: of the last action, if it ended an episode
        self._set_friction()
        self._reset(0)

    def observe(self) -> np.ndarray:
        """[i] float64: positions and velocities."""
        speed = np.clip(self.data.qvel, -self.speed_limit, self.speed_limit)
        return np.concatenate([self.data.qpos[self.dropped :], speed])

    def act(self, action: np.ndarray, step: int) -> tuple[float, bool]:
        """Do an action [o] at a step of the run: the reward, and whether the episode ended.

        The actuators clamp what they are told; the cost is of the unclamped action.
        """
        self.data.ctrl[:] = action
        _physics().mj_step(self.model, self.data, nstep=self.skip)
        before, self.at = self.at, self._place()
        speed = (self.at - before) / (self.skip * self.model.opt.timestep)
        healthy = self.healthy()
        reward = speed - self.control_cost * float(np.square(np.asarray(action, np.float64)).sum())
        reward += healthy or self.settings.alive_at_end == "paid"
        self.timed_out = healthy and step + 1 - self.begun >= LIMIT
        ended = not healthy or self.timed_out
        if ended:
            self.final = self.observe()
            self._end(step + 1)
        return float(reward) if np.isfinite(reward) else 0.0, ended

    def _end(self, step: int) -> None:
        """The next episode begins, perhaps on other ground."""
        if self.friction is not None and step - self.changed > self.settings.friction_steps:
            self.changed, self.change = step, min(self.change + 1, len(self.friction) - 1)
            self._set_friction()
        self._reset(step)

    def _set_friction(self) -> None:
        if self.friction is not None:
            self.model.geom_friction[:, 0] = self.friction[self.change]

    def _reset(self, step: int) -> None:
        """Begin an episode at a step of the run."""
        physics = _physics()
        physics.mj_resetData(self.model, self.data)
        address = streams.Address(streams.SEQUENCE, self.seed, step=step, layer=RESET)
        self.data.qpos[:], self.data.qvel[:] = self._first(address)
        physics.mj_forward(self.model, self.data)
        self.begun, self.at = step, self._place()

    def state(self) -> Arrays:
        """Physics, place, episode and friction."""
        physics = _physics()
        full = np.empty(physics.mj_stateSize(self.model, self.kind))
        physics.mj_getState(self.model, self.data, full, self.kind)
        return {
            "physics": full,
            "at": np.array(self.at),
            "steps": np.array([self.begun, self.changed, self.change]),
        }

    def load(self, state: Arrays) -> None:
        """Go on from a state."""
        _physics().mj_setState(self.model, self.data, np.array(state["physics"], np.float64), self.kind)
        self.at = float(state["at"])
        self.begun, self.changed, self.change = map(int, state["steps"])
        self._set_friction()

    # ---- what a body says

    def _body(self) -> Any:
        """The body's model, as its file has it."""
        return _physics().MjModel.from_xml_path(str(model_file(self.file)))

    def _place(self) -> float:
        """Where the body is, forwards."""
        return float(self.data.qpos[0])

    @abc.abstractmethod
    def healthy(self) -> bool:
        """Whether the episode goes on."""

    def _first(self, address: streams.Address) -> tuple[np.ndarray, np.ndarray]:
        """Positions and velocities at an episode's start: the model's, with uniform noise."""
        n, noise = self.model.nq, 5e-3
        u = streams.uniforms(address, n + self.model.nv).astype(np.float64) * 2 - 1
        return self.model.qpos0 + noise * u[:n], noise * u[n:]

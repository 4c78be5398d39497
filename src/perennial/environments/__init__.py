"""What an agent acts in. One file per environment, found by its name; an experiment has one in place of a problem.

An environment's file exports

    Settings       its settings, with its fidelity switches
    DATASET        the name of the data set it needs, or None
    size           (settings) -> `perennial.problems.Size`: observations are inputs, actions are outputs
    sequence       what one seed will meet, as named arrays; a pure function of settings, seed and length
    Environment    built from (settings, seed, sequence); the class below says what it has
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

RESET = (
    1  # place of an episode's start in the stream of what a seed meets; what changes between episodes is at 0
)


class Environment(Protocol):
    """One run's environment. Random numbers come from `perennial.streams`, keyed by seed and step."""

    def observe(self) -> np.ndarray:
        """What the agent sees now: [i]."""
        ...

    def act(self, action: Any, step: int) -> tuple[float, bool]:
        """Do an action at step number `step` of the run: the reward, and whether the episode ended.

        After an end the next episode has begun.
        """
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that is needed to go on from here."""
        ...

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        ...

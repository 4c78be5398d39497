"""The buffer of a rollout, and what is learnt from it: generalised advantage estimates."""

from __future__ import annotations

import numpy as np

from perennial.learning.learner import State


class Rollout:
    """What runs saw, did and got since the last update: arrays with axes r and t.

    Args:
        runs: number of runs r.
        length: steps t that it holds.
        inputs, actions: numbers of an observation and of an action.
        dtype: of observations, actions and log-probabilities.
    """

    def __init__(self, runs: int, length: int, inputs: int, actions: int, dtype: str) -> None:
        self.observations = np.zeros((runs, length, inputs), dtype)
        self.actions = np.zeros((runs, length, actions), dtype)
        self.log_probabilities = np.zeros((runs, length), dtype)
        self.rewards = np.zeros((runs, length))
        self.ended = np.zeros((runs, length), bool)
        self.later = np.zeros((runs, length))  # value of what follows an end; 0 where an end is one

    def state(self) -> State:
        """Copies of all arrays."""
        return {name: array.copy() for name, array in vars(self).items()}

    def load(self, state: State) -> None:
        """Take over a state.

        Raises:
            ValueError: it is of other runs.
        """
        for name, array in vars(self).items():
            if state[name].shape != array.shape:
                raise ValueError(f"{name} has the shape {state[name].shape}, wanted {array.shape}")
            array[...] = state[name]


def advantages(
    rewards: np.ndarray,
    ended: np.ndarray,
    later: np.ndarray,
    values: np.ndarray,
    discount: float,
    trace: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Generalised advantage estimation (Schulman et al. 2016) of one run, in double precision.

    Args:
        rewards, ended: [t].
        later: [t] value of what follows where an episode ended (0: nothing).
        values: [t + 1], the last one of what follows the rollout.
        discount, trace: gamma and lambda.

    Returns:
        advantages [t], and the value network's targets [t], advantage + value.
    """
    found, running = np.empty(len(rewards)), 0.0
    following = np.where(ended, later, values[1:].astype(np.float64))
    errors = rewards + discount * following - values[:-1]
    for t in range(len(rewards) - 1, -1, -1):
        running = errors[t] + (0.0 if ended[t] else discount * trace * running)
        found[t] = running
    return found, found + values[:-1]


def normalised(found: np.ndarray) -> np.ndarray:
    """Less their mean, over their unbiased standard deviation."""
    return (found - found.mean()) / found.std(ddof=1)

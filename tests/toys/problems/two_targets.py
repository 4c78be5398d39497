"""Two random targets of the same inputs, one for each of two networks."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Size
from perennial.settings import Settings as Base

DATASET = None
PROBE = 64  # examples on which both networks are tested


class Settings(Base):
    """Settings of the two targets."""

    inputs: int = Field(6, ge=1, description="inputs, each -1 or +1")
    batch_size: int = Field(4, ge=1, description="examples of one update")


def size(settings: Settings) -> Size:
    """One output for each network."""
    return Size(settings.inputs, 1, settings.batch_size)


def sequence(settings: Settings, seed: int, length: int, dataset: Arrays | None = None) -> Arrays:
    """directions [target, i] float32: a target is tanh of an input's product with its direction."""
    draws = [
        streams.normals(streams.Address(streams.SEQUENCE, seed, layer=k), settings.inputs) for k in range(2)
    ]
    return {"directions": np.stack(draws)}


class Problem:
    """The stream of one seed."""

    loss, axis, outputs = "squared_error", "update", 1

    def __init__(
        self, settings: Settings, seed: int, sequence: Arrays, dataset: Arrays | None = None
    ) -> None:
        self.settings, self.seed, self.directions = settings, seed, sequence["directions"]

    def examples(self, update: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [b, i] and both targets [b, target] of update number `update`."""
        place = streams.Address(streams.ORDER, self.seed, step=update)
        bits = streams.words(place, count * self.settings.inputs).reshape(count, -1) & 1
        x = bits.astype(np.float32) * 2 - 1
        return x, np.tanh(x @ self.directions.T)

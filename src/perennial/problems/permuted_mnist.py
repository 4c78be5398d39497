"""Online permuted MNIST: 60,000 images of digits, each task another permutation of the pixels, one pass, batch 1.

Nature 2024, Extended Data Fig. 3 and 4. The change-rate study (Fig. 3b, right) has longer and shorter tasks.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from perennial import streams
from perennial.problems import Arrays, Size
from perennial.problems._permuted_images import PermutedImages, Switches, permutations
from perennial.settings import switch

DATASET = "mnist"


class Settings(Switches):
    """Settings of the permuted MNIST problem."""

    task_examples: int = Field(
        60_000, ge=1, description="examples of a task; 10,000, 100,000 and 1,000,000 in the change-rate study"
    )
    probe_examples: int = Field(
        2000, ge=1, description="first examples of a task on which internals are measured"
    )
    sampling: Literal["pass", "replacement"] = switch(
        "pass",
        "examples of a task: a shuffled pass over the images, cut short or repeated in the same order to "
        "task_examples; or each drawn from all images",
        paper="a pass without replacement; with replacement in the change-rate study",
        code="the shuffled pass, cut or repeated, in the change-rate study too",
    )


def size(settings: Settings) -> Size:
    """As many images as the settings say."""
    return Size(Problem.inputs, Problem.outputs, settings.task_examples)


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """permutation [task, pixel] uint16: input k of the network is pixel `permutation[task, k]`."""
    return permutations(settings.permutation, seed, tasks, Problem.inputs)


class Problem(PermutedImages):
    """The stream of one seed: `task_examples` images in each task."""

    inputs, white = 784, 255

    def order(self, address: streams.Address) -> np.ndarray:
        """[task_examples] int64 rows of the table."""
        images, examples = len(self._labels), self.settings.task_examples
        if self.settings.sampling == "pass":
            return np.resize(streams.permutation(address, images), examples)  # repeats from the start
        # A word w of 32 bits is image floor(n w / 2^32): all equally likely to 1 in 70,000.
        draws = streams.words(address, examples).astype(np.uint64)
        return (draws * np.uint64(images) >> np.uint64(32)).astype(np.int64)

"""Online permuted digits: real 8x8 digits, each task another permutation of the pixels, one pass, batch 1.

Our own laptop stand-in for online permuted MNIST (Nature 2024, Extended Data Fig. 3 and 4); the data are the
1,797 handwritten digits that come with scikit-learn.
"""

from __future__ import annotations

from pydantic import Field

from perennial.problems import Arrays, Size
from perennial.problems._permuted_images import PermutedImages, Switches, permutations

DATASET = "digits"
EXAMPLES = 1797


class Settings(Switches):
    """Settings of the permuted digits problem."""

    probe_examples: int = Field(
        1000, ge=1, description="first examples of a task on which internals are measured"
    )


def size(settings: Settings) -> Size:
    """All digits once in a task."""
    return Size(Problem.inputs, Problem.outputs, EXAMPLES)


def sequence(settings: Settings, seed: int, tasks: int, dataset: Arrays | None = None) -> Arrays:
    """permutation [task, pixel] uint8: input k of the network is pixel `permutation[task, k]`."""
    return permutations(settings.permutation, seed, tasks, Problem.inputs)


class Problem(PermutedImages):
    """The stream of one seed: in each task all images once."""

    inputs, white = 64, 16

"""What the nearest training examples alone say of the test examples."""

from __future__ import annotations

import numpy as np

KIND, AXES = "data", ()
UNITS = "percent"
DESCRIPTION = "test examples classified correctly by their ten nearest training examples (Euclidean)"
SOURCE = "Greydanus and Kobak 2024, self-supervised learning: raw pixels"

NEIGHBOURS = 10


def measure(sequence: dict[str, np.ndarray]) -> float:
    """What a run meets -> percent right."""
    from sklearn.neighbors import KNeighborsClassifier

    found = KNeighborsClassifier(NEIGHBOURS).fit(sequence["inputs"], sequence["targets"])
    return 100 * float(found.score(sequence["test_inputs"], sequence["test_targets"]))

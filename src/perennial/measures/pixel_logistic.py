"""What logistic regression on the examples themselves says of the test examples, fitted to the end."""

from __future__ import annotations

import numpy as np

KIND, AXES = "data", ()
UNITS = "percent"
DESCRIPTION = (
    "test examples classified correctly by logistic regression with scikit-learn's penalty, fitted to the end"
)
SOURCE = "Greydanus and Kobak 2024, self-supervised learning: raw pixels"


def measure(sequence: dict[str, np.ndarray]) -> float:
    """What a run meets -> percent right. Training and test examples are standardised each by their own statistics."""
    from sklearn.linear_model import LogisticRegression

    x, x_test = (_standardised(sequence[name]) for name in ("inputs", "test_inputs"))
    found = LogisticRegression(tol=1e-2, max_iter=1000).fit(x, sequence["targets"])
    return 100 * float(found.score(x_test, sequence["test_targets"]))


def _standardised(x: np.ndarray) -> np.ndarray:
    """Mean 0 and standard deviation 1 at each position: [n, i] -> [n, i]."""
    return (x - x.mean(axis=0)) / x.std(axis=0)

"""Whether a map of the examples in two dimensions (t-SNE) shows the classes as clusters."""

from __future__ import annotations

import numpy as np

KIND, AXES = "data", ()
UNITS = "percent"
DESCRIPTION = (
    "test examples classified correctly by their ten nearest training examples in the t-SNE map of all"
)
SOURCE = "Greydanus and Kobak 2024, t-SNE of MNIST and MNIST-1D; the criterion is ours"

NEIGHBOURS, PERPLEXITY = 10, 30


def measure(sequence: dict[str, np.ndarray]) -> float:
    """What a run meets -> percent right. The map begins at the principal components, so it has no chance in it."""
    from sklearn.manifold import TSNE
    from sklearn.neighbors import KNeighborsClassifier

    x = np.concatenate([sequence["inputs"], sequence["test_inputs"]])
    places = TSNE(perplexity=PERPLEXITY, init="pca", random_state=0, n_jobs=1).fit_transform(x)  # [n, 2]
    n = len(sequence["inputs"])
    found = KNeighborsClassifier(NEIGHBOURS).fit(places[:n], sequence["targets"])
    return 100 * float(found.score(places[n:], sequence["test_targets"]))

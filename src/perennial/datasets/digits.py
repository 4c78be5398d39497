"""The 8x8 digits that come with scikit-learn: images [1797, 8, 8] uint8 in 0..16, labels [1797] uint8."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perennial.datasets import _made_up
from perennial.problems import Arrays

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
SOURCE = "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (test part)"
LICENCE = "CC BY 4.0"


def arrays(root: Path | None) -> Arrays:
    """Images and labels; no folder is needed."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return {"images": bunch.images.astype(np.uint8), "labels": bunch.target.astype(np.uint8)}


def stand_in() -> Arrays:
    """Made-up images of the same shape and share of lit pixels, for timing alone."""
    return _made_up.digits(1797, 8, 16, lit=0.51)

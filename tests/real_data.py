"""Real data sets that cannot be shipped: where they lie on this machine, and the skip where they do not."""

from __future__ import annotations

import os
from pathlib import Path

from requirements import require_or_skip


def mnist_root() -> Path:
    """The folder that holds MNIST in torchvision's layout, from the environment's PERENNIAL_DATA."""
    root = Path(os.environ.get("PERENNIAL_DATA") or os.devnull)
    wanted = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    there = wanted.is_file() or wanted.with_name(f"{wanted.name}.gz").is_file()
    require_or_skip("mnist", there, "PERENNIAL_DATA names no folder with MNIST/raw/train-images-idx3-ubyte")
    return root

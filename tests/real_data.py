"""Real data sets that cannot be shipped: where they lie on this machine, and the skip where they do not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from requirements import require_or_skip


def mnist_root() -> Path:
    """The folder that holds MNIST in torchvision's layout, from the environment's PERENNIAL_DATA."""
    root = Path(os.environ.get("PERENNIAL_DATA") or os.devnull)
    wanted = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    there = wanted.is_file() or wanted.with_name(f"{wanted.name}.gz").is_file()
    require_or_skip("mnist", there, "PERENNIAL_DATA names no folder with MNIST/raw/train-images-idx3-ubyte")
    return root


def cifar_root() -> Path:
    """The folder that holds CIFAR-100 in its python layout, from the environment's PERENNIAL_DATA."""
    root = Path(os.environ.get("PERENNIAL_DATA") or os.devnull)
    there = (root / "cifar-100-python" / "train").is_file()
    require_or_skip("cifar100", there, "PERENNIAL_DATA names no folder with cifar-100-python/train")
    return root


@dataclass(frozen=True)
class Made:
    """A data set file, and the largest resident size of the process that made it."""

    path: Path
    peak_bytes: int


def make_imagenet(path: Path) -> Made:
    """Make the data set from the downsampled ImageNet in the official layout, in the environment's PERENNIAL_DATA."""
    root = Path(os.environ.get("PERENNIAL_DATA") or os.devnull)
    there = (root / "Imagenet32_train" / "train_data_batch_1").is_file()
    require_or_skip(
        "imagenet", there, "PERENNIAL_DATA names no folder with Imagenet32_train/train_data_batch_1"
    )
    code = (
        "import sys, pathlib; from perennial import datasets; from perennial.files import provenance;"
        "datasets.make('imagenet32', pathlib.Path(sys.argv[1]), sys.argv[2]);"
        "print(provenance.peak_memory_bytes())"
    )
    command = [sys.executable, "-c", code, str(path), str(root)]
    return Made(path, int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))

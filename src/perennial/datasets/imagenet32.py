"""ImageNet at 32x32 pixels, all training images of all classes.

Arrays, classes in the order of their names (WordNet ids), images of a class in file order:

    images  [image, 3, 32, 32] uint8: those of the first class, then those of the second, and so on
    counts  [class] int64, images of each class
    names   [class] bytes, for example b"n01440764"
    mean    [3, 32, 32] float64, the mean image in 0..255

Read from the user's folder, either from the official downsampled batches (Chrabaszcz, Loshchilov and Hutter 2017),
`Imagenet32_train/train_data_batch_1` to `_10`, with the list of classes `map_clsloc.txt` beside them if there is
one; or from full-size images, `ILSVRC2012_img_train/`, which holds for each class a folder `n01440764/` or the
official file `n01440764.tar`. These are scaled to 32x32 as the official ones were: a box filter, the aspect ratio
not kept; grey ones of more than 8 bits are scaled by the range of their format. Whatever is left out or not taken is
named in the log. What stopped half-way goes on where it was. The finished file is not compared with the folder again:
delete it to have it made from other images; then the runs on the old ones are trained again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perennial.datasets import DataError, _downsampled, _made_up, _photographs
from perennial.problems import Arrays

SHA256 = None  # which images there are is up to the user's folder
SOURCE = "O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge (2012, training part)"
LICENCE = "ImageNet terms of access: non-commercial research and education only"
THREADS = 16

BATCHES = "Imagenet32_train"
PHOTOGRAPHS = ("ILSVRC2012_img_train", "ILSVRC/Data/CLS-LOC/train")
HELP = (
    f"put the official downsampled batches into {BATCHES}/ of a folder, or the full-size training images into "
    f"{PHOTOGRAPHS[0]}/ (a folder or a .tar file for each class), and name that folder in the environment's "
    "PERENNIAL_DATA or the config's data.root"
)


def prepare(root: Path | None, scratch: Path, threads: int) -> Callable[[Any], None]:
    """Check the user's files and, for full-size images, scale them.

    Args:
        root: the folder described above.
        scratch: where scaled images may lie until the data set is whole.
        threads: images scaled at the same time.

    Returns:
        what writes the arrays into an open HDF5 file.

    Raises:
        DataError: no images, or files that cannot be read or are not what they should be.
    """
    if root is None:
        raise DataError(f"data set 'imagenet32': no folder with data sets is given; {HELP}")
    if not root.is_dir():
        raise DataError(
            f"data set 'imagenet32': {root} is no folder (PERENNIAL_DATA, or data.root in the config)"
        )
    if (root / BATCHES).is_dir():
        return _downsampled.prepare(root / BATCHES)
    for name in PHOTOGRAPHS:
        if (root / name).is_dir():
            return _photographs.prepare(root / name, scratch, threads)
    raise DataError(f"data set 'imagenet32': {root} has neither {BATCHES} nor {PHOTOGRAPHS[0]}; {HELP}")


def stand_in() -> Arrays:
    """Made-up images in place of 1,000 classes of 1,300, for timing alone."""
    return _made_up.photographs(1000, 1300, 32)

"""Import torchvision beside a CPU build of torch.

torchvision 0.28.0 from a package index is built against torch for CUDA. Beside a CPU build its compiled part
cannot be loaded, so that the operators which that part defines are missing, and the import stops with "operator
torchvision::nms does not exist". Readers of data sets need none of them: here the two that the import asks for
are declared, without an implementation. Where torchvision imports by itself nothing is declared.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

DECLARED = ("nms", "qnms")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_kept: list[Any] = []  # a library's declarations go when the object goes


def readers() -> ModuleType:
    """The module `torchvision.datasets`.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: it cannot be imported for a reason other than the missing operators.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # half imported
    if not _kept:
        _declare()
    return importlib.import_module("torchvision.datasets")


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for operator in DECLARED:
        library.define(operator + SCHEMA)
    _kept.append(library)

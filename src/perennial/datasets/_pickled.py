"""Pickles of arrays, which is how some data sets are given away: read without letting them call anything else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from perennial.datasets import DataError

# All that an array in a pickle asks for. A pickle may call anything else too, so anything else is refused.
ALLOWED = {
    (module, name)
    for base in ("numpy.core", "numpy._core")
    for module, name in ((f"{base}.multiarray", "_reconstruct"), (f"{base}.numeric", "_frombuffer"))
} | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module, name)


def load(path: Path, what: str) -> Any:
    """What a file holds: dicts, lists, numbers, texts and arrays.

    Args:
        what: it should be, for the message: "batch of downsampled ImageNet".

    Raises:
        DataError: it cannot be read, or is no such pickle.
    """
    try:
        with open(path, "rb") as file:
            return _Arrays(file, encoding="latin1").load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise
    except Exception as error:  # broken bytes can raise anything
        raise DataError(f"{path}: is no {what} ({error})") from None

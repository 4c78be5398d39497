"""Whether a whole checkpoint fits the runs that are to go on from it: told before it is used, in words.

A seal tells that the bytes are those that were written, not that they are of these runs: a file may come from runs of
another length, or lack an array. Values are free; a run that has diverged may be kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perennial.lazy import torch
from perennial.learning import tree
from perennial.learning.learner import State
from perennial.procedures import Course

FAILURES = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    RuntimeError,
)  # what arrays that do not fit lead to

Form = dict[str, tuple[str, tuple[int, ...]]]  #: path in a tree -> type and shape of the array there


def restore(course: Course, kept: State) -> str | None:
    """Bring a course at its beginning to what was kept.

    Returns:
        why it cannot go on from there, in words that follow the file's name; the course is spoilt then. None where
        it can: its state has the form that it had at the beginning, and it would keep the same again, bit for bit.
    """
    fresh = _form(course.state())
    try:
        course.restore(kept)
        found, again = _form(course.state()), course.snapshot()
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise  # the fault of the device
    except FAILURES as error:
        return f"does not fit these runs ({' '.join(f'{type(error).__name__}: {error}'.split())})"
    names = sorted(name for name in fresh | found if fresh.get(name) != found.get(name)) or _unlike(
        kept, again
    )
    if not names:
        return None
    wanted, there = (_said(form, names[0]) for form in (fresh | _form(again), _form(kept) | found))
    return f"does not fit these runs ({names[0]}: {there}, wanted {wanted})"


def _form(found: State) -> Form:
    return {name: (str(np.asarray(leaf).dtype), np.shape(leaf)) for name, leaf in tree.leaves(found)}


def _said(form: Form, name: str) -> str:
    """`float32 [1, 5, 20]`, or `nothing`."""
    return f"{form[name][0]} {list(form[name][1])}" if name in form else "nothing"


def _unlike(kept: State, again: State) -> list[str]:
    """Where two trees differ in any bit; values that are no numbers are compared by their bits, too."""
    a, b = dict(tree.leaves(kept)), dict(tree.leaves(again))
    missing = sorted(a.keys() ^ b.keys())
    return missing or [name for name in a if _bits(a[name]) != _bits(b[name])]


def _bits(leaf: Any) -> tuple[str, tuple[int, ...], bytes]:
    array = np.asarray(leaf)
    return array.dtype.str, array.shape, array.tobytes()

"""How loops are compiled, for constants that are known when a run begins, such as the shape of its network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba

from perennial.files import compilation

# No fast mathematics: the order of a sum, and where a product and a sum are rounded once, stand in the source. The
# compiler may change neither, so the bits do not depend on the processor that it compiles for.
# The numpy error model: a check for division by zero could raise, and would keep arrays counted at every step.
LOOP = {"fastmath": False, "nogil": True, "error_model": "numpy"}
# A function within a step is always inlined: the compiler then sees through the tuples of arrays.
INNER = {**LOOP, "forceinline": True}


def in_turn(functions: list[Callable]) -> Callable:
    """A compiled function that calls the given ones in turn: a loop over layers, unrolled."""
    if len(functions) == 1:
        return functions[0]
    first, rest = functions[0], in_turn(functions[1:])

    @numba.njit(**INNER)
    def both(*arguments):
        first(*arguments)
        rest(*arguments)

    return both


def specialise(template: FunctionType, name: str, **constants: Any) -> Callable:
    """Compile a function with some of its global names bound to constants or compiled functions.

    The compiled code is cached on disk under `name`, which must therefore spell out every constant. (A closure
    would do the same, but numba does not find a cached closure over compiled functions again.)
    """
    source = compilation.stable_source(Path(template.__code__.co_filename))
    code = template.__code__.replace(co_filename=str(source))
    bound = FunctionType(code, {**template.__globals__, **constants}, name)
    bound.__qualname__ = name
    return numba.njit(cache=True, **LOOP)(bound)

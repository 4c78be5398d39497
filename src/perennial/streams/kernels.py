"""The draws of `perennial.streams.tensors` on a GPU: the hundred small operations of a draw are made one kernel.

The kernel does the same operations in the same order, without contracting multiplications and additions, so that
its numbers are those of `perennial.streams` to the last bit whether or not a compiler is at hand.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from perennial.streams.clock import Clock

OPTIONS = {"emulate_precision_casts": True}  # Inductor's name for: no fused multiply-add


def one_on_a_gpu(draw: Callable[..., Any]) -> Callable[..., Any]:
    """A draw that is one kernel where its clock lies on a GPU, and as it stands elsewhere."""

    @functools.wraps(draw)
    def drawn(purpose: int, clock: Clock, layer: Any, count: int, device: Any = "cpu") -> Any:
        if getattr(clock.step, "is_cuda", False):
            return compiled(draw, len(clock.seeds), count)(purpose, clock, layer, count, device)
        return draw(purpose, clock, layer, count, device)

    return drawn


@functools.cache
def compiled(draw: Callable[..., Any], runs: int, count: int) -> Callable[..., Any]:
    """The draw as one kernel for so many runs and numbers; uncompiled, and slower, where PyTorch cannot compile."""
    torch = importlib.import_module("torch")
    draw.__globals__["torch"] = torch  # the compiler does not see through a lazy module
    own = FunctionType(
        draw.__code__.replace(), draw.__globals__, draw.__name__, draw.__defaults__
    )  # a code of its own: PyTorch compiles only a few shapes for each
    fast = torch.compile(own, fullgraph=True, dynamic=False, options=OPTIONS)
    works = True

    def call(*arguments: Any) -> Any:
        nonlocal works
        if works:
            try:
                return fast(*arguments)
            except Exception as error:  # no compiler on this machine, for one: PyTorch has no common class
                works = False
                reason = (str(error).splitlines() or [""])[0]
                print(f"random numbers are drawn by uncompiled code: {reason}", file=sys.stderr)
        return draw(*arguments)

    return call

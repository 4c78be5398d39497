"""The random streams inside a step: on a GPU the hundred small operations of a draw are made one kernel.

The kernel does the same operations in the same order, without contracting multiplications and additions, so that
its numbers are those of `perennial.streams` to the last bit whether or not a compiler is at hand.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from perennial.lazy import torch
from perennial.learning.algorithms import Clock
from perennial.streams import tensors

OPTIONS = {"emulate_precision_casts": True}  # Inductor's name for: no fused multiply-add


def on(device: Any, kind: str) -> Callable[..., Any]:
    """A draw of `perennial.streams.tensors` (uniforms, normals or sum4) for a device."""
    draw = getattr(tensors, kind)
    return compiled(draw) if torch.device(device).type == "cuda" else draw


def at_places(draw: Callable[..., Any], purpose: int, clock: Clock, places: Any, count: int) -> Any:
    """Several draws of every run at once, [r, n, count]; `places` [r, n] says for which layer or unit."""
    runs, n = places.shape
    seeds = clock.seeds.unsqueeze(1).expand(-1, n).reshape(-1)  # [r, n] -> [r n]
    drawn = draw(purpose, clock._replace(seeds=seeds), places.reshape(-1, 1), count, places.device)
    return drawn.view(runs, n, count)


def compiled(draw: Callable[..., Any]) -> Callable[..., Any]:
    """The draw as one kernel; uncompiled, and slower, where PyTorch cannot compile."""
    tensors.torch = importlib.import_module("torch")  # the compiler does not see through a lazy module
    own = FunctionType(
        draw.__code__.replace(), draw.__globals__, draw.__name__, draw.__defaults__
    )  # so few shapes to each code
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

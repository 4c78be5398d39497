"""Run a step many times: recorded as a CUDA graph on a GPU, called as it stands on a CPU.

A stack's step is some dozens of small kernels; starting them one by one would take longer than running them.
UNROLL steps, or as many as there are in one go, are recorded into one graph, which a single call then starts. (The
recipe of PyTorch's notes on CUDA graphs: first steps on a side stream, then record, then replay; memory stays where it
is.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from perennial.lazy import torch

UNROLL = 64  # steps in a graph
WARM_UP = 3  # steps before recording, on a side stream: libraries set themselves up. They count as steps.


class Replay:
    """Repeats one step function.

    Args:
        step: works on fixed memory; its counter lies on the device.
        device: of that memory.
    """

    def __init__(self, step: Callable[[], None], device: Any) -> None:
        self.step, self.cuda = step, torch.device(device).type == "cuda"
        self._graph: Any = None
        self._unroll, self._warm = UNROLL, False  # steps in the graph; whether libraries are set up

    def forget(self) -> None:
        """The memory that the step works on has moved: record anew."""
        self._graph = None

    def run(self, steps: int) -> None:
        """Do that many steps."""
        if not self.cuda or steps == 0:
            self._singly(steps)
            return
        if self._graph is None:
            self._unroll = min(UNROLL, steps)
        warm_up, replays, rest = plan(steps, self._warm, self._unroll)
        if not self._warm:
            self._beside(warm_up or rest)
            rest, self._warm = rest if warm_up else 0, True
        if replays and self._graph is None:
            self._graph = self._record(self._unroll)
        for _ in range(replays):
            self._graph.replay()
        self._singly(rest)

    def _singly(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def _beside(self, steps: int) -> None:
        """Steps on a side stream, which is how to warm up."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._singly(steps)
        torch.cuda.current_stream().wait_stream(side)

    def _record(self, steps: int) -> Any:
        """A graph of so many steps; they are not done."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._singly(steps)
        return graph


def plan(steps: int, warm: bool, unroll: int = UNROLL) -> tuple[int, int, int]:
    """Steps to warm up with, replays of `unroll` steps, and single steps for the rest."""
    if not warm and steps < WARM_UP + unroll:
        return 0, 0, steps  # too few to record anything; they warm up as well
    warm_up = 0 if warm else WARM_UP
    return warm_up, *divmod(steps - warm_up, unroll)

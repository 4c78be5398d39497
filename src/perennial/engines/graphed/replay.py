"""Run a step many times: recorded as a CUDA graph on a GPU, called as it stands on a CPU.

A stack's step is some dozens of small kernels; starting them one by one would take longer than running them.
UNROLL steps are recorded into one graph, which a single call then starts. (The recipe of PyTorch's notes on CUDA
graphs: first steps on a side stream, then record, then replay; memory stays where it is.)
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

    def forget(self) -> None:
        """The memory that the step works on has moved: record anew."""
        self._graph = None

    def run(self, steps: int) -> None:
        """Do that many steps."""
        warm_up, replays, rest = plan(steps, self._graph is not None) if self.cuda else (0, 0, steps)
        if warm_up:
            self._record()
        for _ in range(replays):
            self._graph.replay()
        for _ in range(rest):
            self.step()

    def _record(self) -> None:
        """Do WARM_UP steps, then record UNROLL of them without doing them."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            for _ in range(UNROLL):
                self.step()


def plan(steps: int, recorded: bool) -> tuple[int, int, int]:
    """Steps to warm up with, replays of UNROLL steps, and single steps for the rest."""
    if not recorded and steps < WARM_UP + UNROLL:
        return 0, 0, steps  # too few to record anything
    warm_up = 0 if recorded else WARM_UP
    return warm_up, *divmod(steps - warm_up, UNROLL)

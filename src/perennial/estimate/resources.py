"""What a training job asks a cluster for: memory and time of its block, with a margin. It trains and times nothing.

Memory is what the procedure says of a run. Time comes from the timings that `perennial plan` has left on this machine,
and where there are none from rates that are several times slower than anything measured.
"""

from __future__ import annotations

import functools
import json
import math
from typing import Any

from perennial import procedures
from perennial.config import Study
from perennial.estimate import kinds, memo
from perennial.estimate.kinds import Kind

#: bytes of a process beside its runs: libraries 0.5 GB, the largest table of examples 0.2 GB
BASE = 800_000_000
CUDA = 2_500_000_000  # bytes of host memory that a process on a GPU needs beside: generous, not measured
SPARE = 1.5  # times the memory
SLOWER = 3.0  # times the seconds that were timed: other processors, neighbours
STEP = 2e-5  # seconds of a run-step beside its arithmetic, where nothing was timed
WEIGHT = 1e-8  # seconds for each weight and example of a run-step, where nothing was timed
START = 300  # seconds of a job until it trains, with the compiling of its loops
LEAST_MINUTES = 30
#: of a first attempt; what takes longer is saved at the limit, and the next attempt goes on
MOST_MINUTES = 24 * 60


def memory_mb(study: Study, settings: dict[str, Any], seeds: int, attempt: int) -> int:
    """Megabytes of a block's job, in hundreds.

    Args:
        settings: of the variant.
        seeds: of the block.
        attempt: 1, 2, ...: each asks for so many times what the first does.
    """
    kind, timed = _timed(study, settings, seeds)
    state = timed.get("kept", kinds.cost_of_run(settings).memory // 2)
    runs = kinds.held(kind.engine, seeds, state, kinds.weight_bytes(settings))
    base = BASE + (CUDA if study.device == "cuda" else 0)
    return 100 * math.ceil(SPARE * (base + runs) / 1e8) * attempt


def minutes(study: Study, settings: dict[str, Any], seeds: int, attempt: int) -> int:
    """Minutes of a block's job. Arguments as of `memory_mb`."""
    run_steps = kinds.cost_of_run(settings).steps * seeds
    seconds = START + run_steps * _seconds_per_run_step(study, settings, seeds)
    return min(max(math.ceil(seconds / 60), LEAST_MINUTES), MOST_MINUTES) * attempt


def _seconds_per_run_step(study: Study, settings: dict[str, Any], seeds: int) -> float:
    _, timed = _timed(study, settings, seeds)
    if "step" in timed and study.device != "cuda":
        return SLOWER * timed["step"]
    need = procedures.need(settings)
    return STEP + WEIGHT * kinds.cost_of_run(settings).weights * (need.batch if need else 1)


def _timed(study: Study, settings: dict[str, Any], seeds: int) -> tuple[Kind, dict[str, Any]]:
    """The kind of a block, and what a plan on this machine knows of it: timed, or taken from the most alike."""
    return _timed_once(json.dumps(settings), study.engine, study.device, seeds)


@functools.cache
def _timed_once(text: str, engine: str, device: str, seeds: int) -> tuple[Kind, dict[str, Any]]:
    settings = json.loads(text)
    kind = kinds.kind_of(settings, engine, device, seeds)
    names = (memo.name_of_kind(kind.key, settings), memo.name_of_taken(kind.key, settings))
    return kind, next((found for name in names if "step" in (found := _known().get(name) or {})), {})


@functools.cache
def _known() -> memo.Memo:
    return memo.Memo()

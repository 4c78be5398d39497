"""Which GPU of several a training process uses: a free one, which it holds until it ends.

Snakemake counts GPUs (`--resources gpu=4`) but hands out none. So each process takes a lock on one of those it may
see, and leaves itself only that one in CUDA_VISIBLE_DEVICES, before PyTorch starts CUDA, which reads the variable
once. The locks are those of the kernel: they end with the process, however it ends, and none can be left behind.

They lie in a folder of the user, the same for all studies on the machine. Where the variable names a single device,
whoever set it (Slurm, or you) has chosen: that one is used at once, and only marked as taken for the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

from perennial.lazy import torch
from perennial.learning import engines

VISIBLE = "CUDA_VISIBLE_DEVICES"
NUMBER, NAME = re.compile(r"\d+"), re.compile(r"(GPU|MIG)-[\w./-]+")
PAUSE = 0.2  # seconds between two looks at the locks

#: The device of this process and its lock: once CUDA has started on one, it cannot change to another.
_held: tuple[str, TextIO | None] | None = None


def hold_for(need: Any, engine: str, device: str, label: str = "training") -> str | None:
    """Hold a device for a training job that may use one; None where it will not, or where there is none.

    Args:
        need, engine, device: as for `engines.choose`; None: nothing is learnt that could use one.
        label: name for a line, should the job have to wait.

    Raises:
        engines.Unsupported: CUDA_VISIBLE_DEVICES is not a list of devices.
    """
    here = found()
    if not here or need is None or not _may_use_one(need, engine, device):
        return None
    visible = named(os.environ.get(VISIBLE))
    return hold_one(here if visible is None else visible, label)


def _may_use_one(need: Any, engine: str, device: str) -> bool:
    """Whether `engines.device_of` may say cuda. PyTorch is not asked for a GPU: the answer would start CUDA."""
    if device == "cpu":
        return False
    try:
        made_for_it = engines.choose(need, engine, "cuda") in engines.ON_GPU
    except engines.Unsupported:
        return False
    asked_for = device == "cuda" or engine in engines.ON_GPU
    return made_for_it and (asked_for or engines.is_wide(need)) and torch.backends.cuda.is_built()


def named(text: str | None) -> list[str] | None:
    """The devices that CUDA_VISIBLE_DEVICES names; None where it is not set.

    CUDA itself stops at the first entry that it does not know and says nothing.

    Raises:
        engines.Unsupported: it is no list of numbers or of names, or names one twice.
    """
    if text is None or text.strip() in ("", "-1", "NoDevFiles"):
        return None if text is None else []
    entries = [entry.strip() for entry in text.split(",")]
    good = all(map(NUMBER.fullmatch, entries)) or all(map(NAME.fullmatch, entries))
    if not good or len(set(entries)) < len(entries):
        raise engines.Unsupported(
            f"{VISIBLE}: '{text}' is not allowed (must be different numbers, such as 0,1, or names GPU-... or "
            "MIG-..., with commas between them; empty for no GPU)"
        )
    return entries


def found(nodes: Path = Path("/dev")) -> list[str]:
    """Numbers of the devices that a driver has left on this machine."""
    count = len(list(nodes.glob("nvidia[0-9]*"))) or int((nodes / "dxg").exists())
    return [str(k) for k in range(count)]


def hold_one(visible: list[str], label: str = "training") -> str | None:
    """Hold one of these devices until the process ends, and see only that one; wait where none is free.

    A process that holds one keeps it.

    Raises:
        engines.Unsupported: there is nowhere to write a lock.
    """
    global _held
    if _held or not visible:
        return _held[0] if _held else None
    chosen = len(visible) == 1 and VISIBLE in os.environ
    try:
        _held = (visible[0], _mark(visible[0], label)) if chosen else _wait(visible, label)
    except PermissionError as error:
        reason = f"cannot be written ({error.strerror}), so no GPU can be held"
        raise engines.Unsupported(f"{error.filename}: {reason}; let TMPDIR name a folder of yours") from None
    os.environ[VISIBLE] = _held[0]
    return _held[0]


def folder() -> Path:
    """Where the locks lie: a folder of the user that all studies on the machine share.

    Not XDG_RUNTIME_DIR: a batch job has none, and it goes with the last login, locks that are held and all.
    """
    path = Path(tempfile.gettempdir(), f"perennial-{os.getuid()}", "devices")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _lock_of(device: str) -> Path:
    """Slurm may number the devices of each job from 0, so that equal numbers are other devices."""
    job = os.environ.get("SLURM_JOB_ID")
    return folder() / f"{f'slurm-{job}.' if job else ''}{device.replace('/', '_')}.lock"


def _take(device: str) -> TextIO | None:
    """The lock of a device, held; None where another process holds it."""
    handle = open(_lock_of(device), "a+", encoding="utf-8")  # noqa: SIM115  open as long as the process lives
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    handle.truncate(0)
    handle.write(f"process {os.getpid()}")
    handle.flush()
    return handle


def _mark(device: str, label: str) -> TextIO | None:
    """Hold a device that somebody chose if it is free; otherwise say who has it too."""
    handle = _take(device)
    if handle is None:
        print(
            f"{label}: shares GPU {device} with {_holder(device)}: {VISIBLE} names no other", file=sys.stderr
        )
    return handle


def _wait(visible: list[str], label: str) -> tuple[str, TextIO]:
    """The first of the devices that is or becomes free."""
    waiting = False
    while True:
        for device in visible:
            if handle := _take(device):
                return device, handle
        if not waiting:
            holders = ", ".join(f"{device} by {_holder(device)}" for device in visible)
            print(f"{label}: waits for a GPU; held: {holders}", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(PAUSE)


def _holder(device: str) -> str:
    with contextlib.suppress(OSError):
        return _lock_of(device).read_text(encoding="utf-8") or "another process"
    return "another process"

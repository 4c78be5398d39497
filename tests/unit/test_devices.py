"""One GPU for each process: never two on one, all in use, and a killed holder frees its own.

No GPU is needed: what is held is a number in CUDA_VISIBLE_DEVICES. The processes are real.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from fidelity import support
from fidelity.support import DIGITS

from perennial import cli, procedures
from perennial.jobs import devices
from perennial.lazy import torch
from perennial.learning import engines

HOLD = """
import os, sys, time
from perennial.jobs import devices
visible = devices.named(os.environ.get(devices.VISIBLE)) or ["0", "1", "2"]
device = devices.hold_one(visible, "job")
assert os.environ[devices.VISIBLE] == device == devices.hold_one(["7"], "again")
print("holds", device, flush=True)
sys.stdin.read(1)
print("ends", device, flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Starts processes that hold a device until their input is closed; all end with the test."""
    processes = []

    def go(visible: str | None = "0,1,2", **more: str) -> subprocess.Popen:
        clean = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"}
        environment = {**clean, "TMPDIR": str(tmp_path), devices.VISIBLE: visible, **more}
        environment = {key: value for key, value in environment.items() if value is not None}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        processes.append(subprocess.Popen([sys.executable, "-c", HOLD], env=environment, text=True, **pipes))
        return processes[-1]

    yield go
    for process in processes:
        process.kill()
        process.communicate()


def device_of(process: subprocess.Popen) -> str:
    line = process.stdout.readline()
    assert line.startswith("holds "), process.stderr.read()
    return line.split()[1]


def test_all_are_used_and_none_twice(start):
    assert sorted(device_of(process) for process in [start() for _ in range(3)]) == ["0", "1", "2"]


def test_many_jobs_on_few_devices_never_share_one(start):
    """Nine jobs start at once on three devices; each ends as soon as it was seen to hold one."""
    waiting, held, seen = [start() for _ in range(9)], {}, []
    for process in waiting:
        os.set_blocking(process.stdout.fileno(), False)
    end = time.monotonic() + 120
    while waiting or held:
        assert time.monotonic() < end
        for process in list(waiting):
            if line := process.stdout.readline():
                waiting.remove(process)
                device = line.split()[1]
                assert device not in held, f"{device} is held twice"
                held[device] = process
                seen.append(device)
        if len(held) == 3 or (held and not waiting):
            device, process = held.popitem()
            process.communicate(timeout=60)  # closes its input, and waits for its end
            assert process.returncode == 0
        time.sleep(0.01)
    assert len(seen) == 9 and set(seen) == {"0", "1", "2"}


def test_a_killed_holder_frees_its_device_and_who_waits_says_so(start):
    first, second = start("4,5"), start("4,5")
    assert {device_of(first), (other := device_of(second))} == {"4", "5"}
    third = start("4,5")
    line = third.stderr.readline()
    assert line.startswith("job: waits for a GPU; held: 4 by process ") and f"process {second.pid}" in line
    second.kill()
    assert device_of(third) == other


def test_a_single_device_is_an_order_that_others_heed(start):
    ordered = start("1")
    assert device_of(ordered) == "1"
    assert [device_of(start()), device_of(start())] == ["0", "2"]
    sharing = start("1")
    assert device_of(sharing) == "1"
    assert sharing.stderr.readline().startswith(f"job: shares GPU 1 with process {ordered.pid}: ")


def test_jobs_of_slurm_have_numbers_of_their_own(start):
    """Each may see its two devices as 0 and 1."""
    one = [device_of(start("0,1", SLURM_JOB_ID="71")) for _ in range(2)]
    other = [device_of(start("0,1", SLURM_JOB_ID="72")) for _ in range(2)]
    assert one == other == ["0", "1"]


def test_without_the_variable_the_devices_found_are_shared_out(start):
    assert [device_of(start(None)) for _ in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, None), ("", []), ("-1", []), ("NoDevFiles", []), ("0", ["0"]), ("3, 1", ["3", "1"]),
     ("GPU-8f1a,MIG-12/1/0", ["GPU-8f1a", "MIG-12/1/0"])],
)  # fmt: skip
def test_the_devices_that_the_variable_names(text, expected):
    assert devices.named(text) == expected


@pytest.mark.parametrize("text", ["0,,1", "0;1", "0,1,", "zero", "0,0", "GPU-1,0", "0,-1", "1.5"])
def test_a_malformed_variable_is_one_line(text):
    with pytest.raises(engines.Unsupported) as caught:
        devices.named(text)
    assert str(caught.value).startswith(f"CUDA_VISIBLE_DEVICES: '{text}' is not allowed (must be ")
    assert "\n" not in str(caught.value)


def test_devices_are_found_by_what_their_driver_left(tmp_path):
    assert devices.found(tmp_path) == []
    for name in ("nvidia0", "nvidia5", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert devices.found(tmp_path) == ["0", "1"]  # CUDA counts those that are there


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """As if the machine had two GPUs and a PyTorch for them; what is held is forgotten afterwards."""
    monkeypatch.setattr(devices, "found", lambda: ["0", "1"])
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    monkeypatch.setattr(devices, "_held", None)
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv(devices.VISIBLE, "0,1")


@contextmanager
def forgotten():
    yield
    if devices._held and devices._held[1]:
        devices._held[1].close()
    devices._held = None


WIDE, NARROW = ([engines.WIDE], [40])


@pytest.mark.parametrize(
    ("hidden", "algorithm", "engine", "device", "expected"),
    [
        (WIDE, "adam", "auto", "auto", "0"),
        (NARROW, "adam", "auto", "auto", None),
        (NARROW, "adam", "auto", "cuda", "0"),
        (NARROW, "adam", "graphed", "auto", "0"),
        (WIDE, "adam", "graphed", "cpu", None),
        (WIDE, "adam", "fused", "auto", None),
        (WIDE, "adam", "stacked", "cuda", None),  # an error of its own follows
    ],
)
def test_only_jobs_that_may_use_a_gpu_hold_one(machine, hidden, algorithm, engine, device, expected):
    settings = support.variant(DIGITS, support.hyper(algorithm), hidden=hidden)
    with forgotten():
        assert devices.hold_for(procedures.need(settings), engine, device) == expected
        assert os.environ[devices.VISIBLE] == (expected or "0,1")


def test_what_holds_one_is_what_is_placed_on_one(machine, monkeypatch):
    """The question that starts no CUDA has the answer of the one that does."""
    monkeypatch.setattr(engines, "cuda_here", lambda: True)
    for algorithm in support.algorithms():
        for hidden in (WIDE, NARROW):
            settings = support.variant(DIGITS, support.hyper(algorithm), hidden=hidden)
            for engine in ("auto", *engines.NAMES):
                for device in ("auto", *engines.DEVICES):
                    try:
                        place = engines.device_of(
                            engines.choose(procedures.need(settings), engine, device), device
                        )
                    except engines.Unsupported:
                        place = "cpu"
                    assert devices._may_use_one(procedures.need(settings), engine, device) == (
                        place == "cuda"
                    )


def test_without_a_gpu_nothing_is_held_nor_read(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "found", lambda: [])
    monkeypatch.setenv(devices.VISIBLE, "nonsense,")
    settings = support.variant(DIGITS, support.hyper("adam"), hidden=WIDE)
    assert devices.hold_for(procedures.need(settings), "auto", "auto") is None
    assert os.environ[devices.VISIBLE] == "nonsense," and not list(tmp_path.iterdir())


def test_a_mistake_ends_a_run_in_one_line(machine, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(devices.VISIBLE, "0,,1")
    config = support.REPOSITORY / "config.yaml"
    monkeypatch.chdir(tmp_path)
    options = ["--config", str(config), "--device", "cuda", "--length", "1"]
    assert cli.main(["run", "slowly_changing_regression", "relu_0.01", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("CUDA_VISIBLE_DEVICES: '0,,1' is not allowed") and error.count("\n") == 1


def test_a_folder_of_somebody_else_is_one_line(machine, monkeypatch):
    def refuse(device):
        raise PermissionError(13, "Permission denied", "/tmp/perennial-1/devices/0.lock")

    monkeypatch.setattr(devices, "_take", refuse)
    with pytest.raises(
        engines.Unsupported, match=r"^/tmp/perennial-1/devices/0.lock: cannot be written \(Perm"
    ):
        devices.hold_one(["0", "1"])

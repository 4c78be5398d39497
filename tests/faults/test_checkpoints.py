"""What may happen to a block, or to its checkpoints, between two starts. The result is always the undisturbed one."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import numpy as np
import pytest
from faults.block import SEEDS, Block

from perennial.files import store
from perennial.jobs import checkpoint, stopping

STEPS = 3 * 40 * 3000  # of the block


@pytest.fixture
def block(tmp_path, monkeypatch):
    """Three runs under the fused engine."""
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))  # save at every chance
    return Block(tmp_path, length=40)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed block leaves."""
    undisturbed = Block(tmp_path_factory.mktemp("undisturbed"), length=40)
    undisturbed.train(checkpoints=None)
    return undisturbed.result()


@pytest.fixture
def killed(block):
    """The block after a kill in its second run."""
    child = block.start_and_wait_for(saves=4)
    child.kill()
    child.join()
    assert not block.output.exists()
    return block


def resumed_at(log: str) -> int:
    """Where the block went on, from its log."""
    (line,) = re.findall(r"^block: resumed at step ([\d,]+) of 360,000$", log, re.MULTILINE)
    return int(line.replace(",", ""))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_saves_and_ends_the_job(block, whole, name):
    child = block.start_and_wait_for(saves=2)
    os.kill(child.pid, getattr(signal, name))
    child.join(60)
    assert child.exitcode == 1 and not block.output.exists()
    assert block.log().endswith(f"stopped by {name}; the next start goes on from here\n")
    saved = int(block.saves()[-1].name.split(".")[-2])
    assert resumed_at(block.finish()) >= saved
    assert block.result() == whole


def test_a_signal_saves_what_no_interval_has(tmp_path):
    block = Block(tmp_path, flip_every=50_000, length=40)
    block.train(checkpoints=None)
    whole = block.result()
    block.output.unlink()
    child = block.start(checkpoint_seconds=3600)
    block.wait_for_training(child)
    assert not block.saves()
    child.terminate()
    child.join(60)
    assert child.exitcode == 1 and "resumed at step" in block.finish()
    assert block.result() == whole


def test_finished_runs_are_not_trained_again(killed, whole):
    assert resumed_at(killed.finish()) > STEPS / 3
    assert killed.result() == whole


def test_only_the_last_two_of_a_run_are_kept(killed):
    runs = [path.name.split(".")[0] for path in killed.saves()]
    assert runs[:3] == ["seed_0000", "seed_0000", "seed_0001"] and len(runs) <= 4 + 1


def test_a_truncated_checkpoint_gives_way_to_the_one_before(killed, whole):
    before, newest = killed.saves()[:2]
    newest.write_bytes(newest.read_bytes()[:-100])
    log = killed.finish()
    (line,) = [line for line in log.splitlines() if "truncated" in line]
    assert line.startswith(str(newest))
    assert line.endswith(f"set aside as {newest.name}.bad, {before.name} is used")
    assert killed.result() == whole


def test_a_flipped_byte_is_noticed_and_without_any_checkpoint_a_run_begins_anew(killed, whole):
    for path in killed.saves():
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
    log = killed.finish()
    assert log.count("fails its checksum") >= 4 and "resumed" not in log
    assert log.count("the beginning is used") == 2  # two runs had begun
    assert killed.result() == whole


def test_checkpoints_of_other_settings_are_not_used(killed):
    killed.settings = {**killed.settings, "algorithm": {**killed.settings["algorithm"], "step_size": 0.02}}
    log = killed.finish()
    assert log.count(": made with other settings; not used") == 1 and "resumed" not in log
    assert json.loads(killed.result()["settings"]) == killed.settings
    assert not killed.checkpoints.exists()


def test_checkpoints_of_other_code_are_not_used(killed, whole):
    log = killed.finish(code="xyz")
    assert log.count(": made with other code; not used") == 1 and "resumed" not in log
    assert killed.result() == whole | {"code": "xyz"}


def test_the_second_of_two_starts_ends_with_one_line(block, whole):
    first = block.start_and_wait_for(saves=1)
    os.kill(first.pid, signal.SIGSTOP)
    with pytest.raises(checkpoint.InUse, match=f"process {first.pid} on .* trains this block now"):
        block.train()
    os.kill(first.pid, signal.SIGCONT)
    first.join(60)
    assert block.result() == whole


def snapshot():
    return {"weights": np.zeros(3)}


def test_a_finished_run_is_saved_along_with_the_next_one(tmp_path):
    request = stopping.Request()
    first, second = checkpoint.Checkpoints(tmp_path, {}, 3600, request).groups([[0], [1]])
    first.offer(5, snapshot, finished=True)
    second.offer(3, snapshot)
    assert not list(tmp_path.iterdir())
    request.signal = "SIGTERM"
    with pytest.raises(stopping.Stopped):
        second.offer(4, snapshot)
    again = checkpoint.Checkpoints(tmp_path, {}).groups([[0], [1], [2]])
    assert [group.steps for group in again] == [5, 4, 0]


def test_saving_waits_a_hundred_times_as_long_as_it_took(tmp_path):
    (group,) = checkpoint.Checkpoints(tmp_path, {}, seconds=0).groups([[0]])

    begin, steps = time.monotonic(), 1
    group.offer(steps, snapshot)
    took = time.monotonic() - begin
    while len(list(tmp_path.glob("*.h5"))) == 1:
        time.sleep(0.001)
        steps += 1
        group.offer(steps, snapshot)
    assert steps > 2 and time.monotonic() - begin > 90 * took


def test_a_checkpoint_that_cannot_be_written_costs_a_line(tmp_path, capsys):
    (tmp_path / "checkpoints").touch()  # a file where the folder should be
    (group,) = checkpoint.Checkpoints(tmp_path / "checkpoints", {}).groups([[0]])
    group.offer(1, snapshot, finished=True)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("training goes on") and "File exists" in line


def test_a_stop_that_could_not_save_does_not_say_so(tmp_path, capsys):
    (tmp_path / "checkpoints").touch()
    request = stopping.Request()
    (group,) = checkpoint.Checkpoints(tmp_path / "checkpoints", {}, 3600, request).groups([[0]])
    request.signal = "SIGTERM"
    with pytest.raises(stopping.Stopped, match=r"the next start goes on from the last checkpoint$"):
        group.offer(1, snapshot)
    assert "no checkpoint" in capsys.readouterr().err


def test_time_of_earlier_processes_counts(killed):
    spent = max(store.open_checked(path).attrs["wall_seconds"] for path in killed.saves())
    killed.finish()
    with store.open_checked(killed.output) as file:
        assert file.attrs["wall_seconds"] > spent > 0 and list(file.attrs["seeds"]) == SEEDS
        assert 0 < file.attrs["saving_seconds"] < file.attrs["wall_seconds"]


def test_work_that_a_kill_undid_is_counted(killed, whole):
    killed.finish()
    with store.open_checked(killed.output) as file:
        done, steps, starts = (int(file.attrs[key]) for key in ("run_steps_done", "run_steps", "starts"))
    assert starts == 2 and STEPS == steps <= done < 1.5 * steps


def test_an_undisturbed_block_counts_its_own_length(block):
    block.train()
    with store.open_checked(block.output) as file:
        assert file.attrs["run_steps_done"] == file.attrs["run_steps"] == STEPS and file.attrs["starts"] == 1


def test_without_a_folder_signals_and_files_are_left_alone(block):
    before = signal.getsignal(signal.SIGTERM)
    block.train(checkpoints=None)
    assert signal.getsignal(signal.SIGTERM) is before
    assert {path.name for path in block.folder.iterdir()} == {"sequences.h5", "runs.h5"}

"""Sealed files: whatever happens to a writer or a file, a reader sees the old file, the new file, or a refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from perennial.files import store

WRITER = """
import sys, time
import numpy as np
from pathlib import Path
from perennial.files import store

def fill(file):
    file["a"] = np.arange(100_000)
    file.flush()
    print("half way", flush=True)
    time.sleep(60)

store.write(Path(sys.argv[1]), fill)
"""
RESTLESS = """
import sys
import numpy as np
from pathlib import Path
from perennial.files import store

print("ready", flush=True)
for k in range(1_000_000):
    store.write(Path(sys.argv[1]), lambda file: file.create_dataset("a", data=np.full(20_000, k)))
"""


def write(path, value: float = 1.0) -> None:
    store.write(path, lambda file: file.create_dataset("a", data=np.full(1000, value)))


def start(code: str, path) -> subprocess.Popen:
    """A writer in a process of its own, as far as its first line."""
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    return process


def kill(process: subprocess.Popen) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "deep" / "er" / "a.h5"
    write(path)
    return path


def damage(path, change) -> None:
    data = bytearray(path.read_bytes())
    path.write_bytes(bytes(change(data)))


def assert_bad(path, words: str) -> None:
    reason = store.check(path)
    assert reason is not None and words in reason, reason
    assert "\n" not in reason and len(reason) < 200
    with pytest.raises(store.BadFile) as caught:
        store.open_checked(path)
    assert str(path) in str(caught.value) and reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_good_and_any_hdf5_reader_reads_it(file):
    assert store.check(file) is None
    with store.open_checked(file) as opened:
        assert opened.attrs["format"] == store.FORMAT and (opened["a"][...] == 1).all()
    with h5py.File(file) as opened:
        assert opened.userblock_size == store.USER_BLOCK and opened["a"].shape == (1000,)


def test_nothing_is_left_beside_a_file(file):
    write(file, 2.0)
    assert os.listdir(file.parent) == [file.name]


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(file):
    def fill(opened):
        opened["a"] = 3
        raise RuntimeError("no more")

    before = file.read_bytes()
    with pytest.raises(RuntimeError, match="no more"):
        store.write(file, fill)
    assert file.read_bytes() == before and os.listdir(file.parent) == [file.name]
    with pytest.raises(RuntimeError):
        store.write(file.with_name("new.h5"), fill)
    assert os.listdir(file.parent) == [file.name]


def test_write_bytes_replaces_whole(tmp_path):
    path = tmp_path / "new" / "a.csv"
    store.write_bytes(path, b"one")
    store.write_bytes(path, b"two")
    assert path.read_bytes() == b"two" and os.listdir(path.parent) == ["a.csv"]


def test_a_writer_killed_half_way_leaves_the_old_file(file):
    before = file.read_bytes()
    kill(start(WRITER, file))
    assert file.read_bytes() == before and store.check(file) is None
    left = [path for path in file.parent.iterdir() if path != file]
    assert all(path.name.startswith(".") and path.suffix == ".tmp" for path in left)  # never a result's name
    for path in left:
        assert_bad(path, "no end mark")


def test_a_writer_killed_half_way_leaves_no_new_file(tmp_path):
    path = tmp_path / "a.h5"
    kill(start(WRITER, path))
    assert not path.exists()
    assert_bad(path, "cannot be read")


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "a.h5"
    for k in range(4):
        process = start(RESTLESS, path)
        time.sleep(0.15 + 0.037 * k)
        kill(process)
        if path.exists():
            with store.open_checked(path) as opened:
                assert len(np.unique(opened["a"][...])) == 1
    assert path.exists()


@pytest.mark.parametrize("left", [0, 1, 511, 512, 513, 0.5, -1])
def test_a_truncated_file(file, left):
    size = file.stat().st_size
    keep = int(size * left) if isinstance(left, float) else left % size
    damage(file, lambda data: data[:keep])
    assert_bad(file, "no end mark" if keep < store.USER_BLOCK else "is truncated")


def test_a_longer_file(file):
    damage(file, lambda data: data + b"\0")
    assert_bad(file, "is truncated")


def test_a_flipped_bit_anywhere_after_the_mark(file):
    whole = file.read_bytes()
    for at in np.linspace(store.USER_BLOCK, len(whole) - 1, 25).astype(int):
        data = bytearray(whole)
        data[at] ^= 1
        file.write_bytes(bytes(data))
        assert_bad(file, "fails its checksum")


def test_a_damaged_mark_is_never_an_error_of_the_checker(file):
    whole = file.read_bytes()
    mark = len(store.MAGIC) + len(f"{len(whole) - store.USER_BLOCK}\n") + 64
    for at in range(mark):
        for change in (1, 0x80, 0xFF):
            data = bytearray(whole)
            data[at] ^= change
            file.write_bytes(bytes(data))
            assert store.check(file) is not None, at
    file.write_bytes(store.MAGIC.ljust(store.USER_BLOCK, b"\0") + whole[store.USER_BLOCK :])
    assert_bad(file, "")


def test_a_file_without_the_mark(file):
    damage(file, lambda data: bytes(store.USER_BLOCK) + data[store.USER_BLOCK :])
    assert_bad(file, "no end mark")


def test_an_hdf5_file_of_somebody_else(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as opened:
        opened["a"] = np.zeros(1000)
    assert_bad(path, "no end mark")


def test_a_missing_file_and_a_folder(tmp_path):
    assert_bad(tmp_path / "nothing.h5", "cannot be read")
    assert_bad(tmp_path, "cannot be read")


def test_check_needs_no_hdf5_library(file):
    code = "import sys; from pathlib import Path; from perennial.files import store; "
    code += "print(store.check(Path(sys.argv[1])))"
    code += "; assert not {'h5py', 'numpy'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "None"), done.stderr


def test_a_tree_comes_back_with_its_order_types_and_empty_branches(tmp_path):
    """An algorithm may go through its state in the order of the keys; hidden_10 comes after hidden_2."""
    hidden = {f"hidden_{k}": np.arange(k, dtype=np.int64) for k in range(12)}
    tree = {
        "weights": {"weight_0": np.float32([[1.5]]), "bias_0": np.zeros(2)},
        "empty": {},
        "hidden": hidden,
    }
    tree |= {"step": np.array(7), "flag": np.array([True, False])}
    store.write(tmp_path / "tree.h5", lambda file: store.write_tree(file, "kept", tree))
    with store.open_checked(tmp_path / "tree.h5") as file:
        found = store.read_tree(file["kept"])

    def listed(node):
        if isinstance(node, dict):
            return [(key, listed(value)) for key, value in node.items()]
        return str(node.dtype), node.shape, node.tobytes()

    assert listed(found) == listed(tree)

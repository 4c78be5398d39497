"""MNIST: the real images where they are at hand, the reader on files made by hand, and every way to lack data."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from real_data import mnist_root

from perennial import cli, datasets
from perennial.datasets import _torchvision, mnist
from perennial.files import store

# Of the training part, 0 to 9 (published with the data set).
LABELS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


# ---- the real images


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    path = tmp_path_factory.mktemp("mnist") / "mnist.h5"
    datasets.make("mnist", path, mnist_root())
    return path


def test_the_real_images(real):
    found = datasets.read(real)
    assert found["images"].shape == (60_000, 28, 28) and found["images"].dtype == np.uint8
    assert found["labels"].shape == (60_000,) and np.bincount(found["labels"]).tolist() == LABELS
    assert found["images"].max() == 255 and 33.31 < found["images"].mean() < 33.33
    assert found["labels"][:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_the_file_says_where_the_real_images_come_from(real):
    with store.open_checked(real) as file:
        assert (file.attrs["kind"], file.attrs["name"]) == ("dataset", "mnist")
        assert file.attrs["sha256"] == mnist.SHA256
        assert "LeCun" in file.attrs["source"] and file.attrs["licence"]


# ---- files made by hand, read by torchvision


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format: two zeros, type 8 (unsigned byte), axes, sizes, values."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Seven training images of 28x28, declared to be the official files."""
    values = np.arange(7 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(7, 28, 28)
    labels = np.arange(7, dtype=np.uint8)
    arrays = [values, labels]
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    packed = []
    for name, array in zip(mnist.UNPACKED, arrays, strict=True):
        (raw / name).write_bytes(idx(array))
        monkeypatch.setitem(mnist.UNPACKED, name, hashlib.sha256(idx(array)).hexdigest())
        packed.append((f"{name}.gz", hashlib.md5(gzip.compress(idx(array), mtime=0)).hexdigest()))
    monkeypatch.setattr(_torchvision.readers().MNIST, "resources", packed)
    content = hashlib.sha256(values.tobytes() + labels.tobytes()).hexdigest()
    monkeypatch.setattr(mnist, "SHA256", content)
    return tmp_path / "data"


@pytest.fixture
def no_network(monkeypatch):
    """The only mirror is a port of this machine at which nobody listens."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setattr(_torchvision.readers().MNIST, "mirrors", [f"http://127.0.0.1:{port}/"])


def pack(folder, name):
    """Replace a file by its .gz."""
    path = folder / "MNIST" / "raw" / name
    path.with_name(f"{name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()


def mistake(root, tmp_path) -> str:
    """The one line about it."""
    with pytest.raises(datasets.DataError) as caught:
        datasets.make("mnist", tmp_path / "out" / "mnist.h5", root)
    line = str(caught.value)
    assert "\n" not in line and not (tmp_path / "out").exists()
    return line


def test_the_training_part_is_read(folder):
    found = datasets.arrays("mnist", folder)
    assert found["images"].shape == (7, 28, 28) and found["labels"].tolist() == list(range(7))
    assert np.array_equal(found["images"].ravel(), np.arange(7 * 784, dtype=np.uint32).astype(np.uint8))


def test_packed_files_are_unpacked_without_a_network(folder, no_network):
    before = datasets.arrays("mnist", folder)
    for name in mnist.UNPACKED:
        pack(folder, name)
    after = datasets.arrays("mnist", folder)
    assert all(np.array_equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("name", list(mnist.UNPACKED))
def test_wrong_bytes_name_the_file(folder, tmp_path, name):
    path = folder / "MNIST" / "raw" / name
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert mistake(folder, tmp_path).startswith(f"{path}: not the official file")


def test_wrong_packed_bytes_name_the_file_and_leave_it(folder, tmp_path, no_network):
    pack(folder, "train-labels-idx1-ubyte")
    path = folder / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(b"an error page")
    assert mistake(folder, tmp_path).startswith(f"{path}: not the official file")
    assert path.read_bytes() == b"an error page"


def test_other_content_than_declared(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "SHA256", "0" * 64)
    assert "'mnist' has checksum" in mistake(folder, tmp_path)


# ---- nothing to read


def test_neither_folder_nor_network(tmp_path, no_network):
    line = mistake(None, tmp_path)
    assert "no folder with data sets is given" in line and "refused" in line
    assert all(word in line for word in ("PERENNIAL_DATA", "data.root", "MNIST/raw", *mnist.UNPACKED))


def test_a_folder_that_lacks_a_file(folder, tmp_path, no_network):
    (folder / "MNIST" / "raw" / "train-labels-idx1-ubyte").unlink()
    assert f"{folder / 'MNIST' / 'raw'} lacks train-labels-idx1-ubyte, and" in mistake(folder, tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    line = mistake(tmp_path / "nowhere", tmp_path)
    assert f"{tmp_path / 'nowhere'} is no folder" in line and not (tmp_path / "nowhere").exists()


def test_a_mirror_that_never_answers_is_given_up(tmp_path, no_network, monkeypatch):
    monkeypatch.setattr(mnist, "PATIENCE", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(_torchvision.readers().MNIST, "mirrors", [mirror])
        start = time.monotonic()
        assert "timed out" in mistake(None, tmp_path)
        assert time.monotonic() - start < 10
    assert socket.getdefaulttimeout() is None


def test_torchvision_is_not_there(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert "torchvision, cannot be imported" in mistake(None, tmp_path)


STUDY = """
scale: only
data: {root: nowhere}
experiments:
  mine:
    title: Mine
    description: A study of one run.
    problem: permuted_mnist
    network: {name: mlp, hidden: [5]}
    procedure: task_stream
    measures: {online_accuracy: {every: 1}}
    scales: {only: {seeds: 1, length: 1}}
    variants: {backprop: {algorithm: {name: backprop, step_size: 0.01}}}
"""


def test_a_run_in_this_process_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    """The command `perennial run`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(STUDY, encoding="utf-8")
    assert cli.main(["run", "mine", "backprop"]) == 1
    captured = capsys.readouterr()
    assert "nowhere is no folder" in captured.err and captured.err.count("\n") == 1


# ---- torchvision beside a CPU build of torch


def test_the_reader_is_imported_in_a_fresh_process():
    code = (
        "import sys; from perennial.datasets import mnist, _torchvision;"
        "print('torch' in sys.modules, 'torchvision' in sys.modules);"
        "first = _torchvision.readers(); print(first.MNIST.__name__, _torchvision.readers() is first)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "MNIST", "True"]

"""CIFAR-100 from either official layout; what is not the official data is one line."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
import real_data

from perennial import datasets
from perennial.datasets import DataError, _torchvision, cifar100

COUNTS = {"train": 40, "test": 10}


@pytest.fixture
def records(monkeypatch):
    """Made-up records, which the module takes for the official ones."""
    draw = np.random.default_rng(0)
    made = {part: draw.integers(0, 256, (count, 3074)).astype(np.uint8) for part, count in COUNTS.items()}
    for own in made.values():
        own[:, :2] %= 100
    monkeypatch.setattr(cifar100, "PARTS", COUNTS)
    digests = {part: hashlib.sha1(own, usedforsecurity=False).hexdigest() for part, own in made.items()}
    monkeypatch.setattr(cifar100, "RECORDS", digests)
    monkeypatch.setattr(cifar100, "SHA256", None)
    return made


def binary(folder, records):
    (folder / "cifar-100-binary").mkdir(parents=True)
    for part, own in records.items():
        own.tofile(folder / "cifar-100-binary" / f"{part}.bin")
    return folder


def python(folder, records, key=str):
    (folder / "cifar-100-python").mkdir(parents=True)
    for part, own in records.items():
        batch = {"data": own[:, 2:], "fine_labels": own[:, 1].tolist(), "coarse_labels": own[:, 0].tolist()}
        batch = {key(name): value for name, value in batch.items()}
        (folder / "cifar-100-python" / part).write_bytes(pickle.dumps(batch, protocol=2))
    return folder


def made(folder, out):
    datasets.make("cifar100", out, folder)
    return datasets.read(out)


@pytest.mark.parametrize("key", [str, str.encode])
def test_both_layouts_give_the_same_file(records, tmp_path, key):
    one = made(binary(tmp_path / "b", records), tmp_path / "one.h5")
    other = made(python(tmp_path / "p", records, key), tmp_path / "other.h5")
    assert sorted(one) == ["test_images", "test_labels", "train_images", "train_labels"]
    for name in one:
        assert (one[name] == other[name]).all(), name
    assert datasets.checksum(tmp_path / "one.h5") == datasets.checksum(tmp_path / "other.h5")
    assert (one["train_images"][3].reshape(-1) == records["train"][3, 2:]).all()
    assert (one["train_labels"] == records["train"][:, 1]).all()


def refused(folder, tmp_path, *words):
    with pytest.raises(DataError) as caught:
        datasets.make("cifar100", tmp_path / "none.h5", folder)
    text = str(caught.value)
    assert "\n" not in text and all(word in text for word in words), text
    assert not (tmp_path / "none.h5").exists()


def test_a_truncated_binary_file_is_one_line(records, tmp_path):
    folder = binary(tmp_path / "b", records)
    path = folder / "cifar-100-binary" / "train.bin"
    path.write_bytes(path.read_bytes()[:-1000])
    refused(folder, tmp_path, "train.bin: has 121960 bytes, expected 122960")


def test_a_missing_binary_file_is_one_line(records, tmp_path):
    folder = binary(tmp_path / "b", records)
    (folder / "cifar-100-binary" / "test.bin").unlink()
    refused(folder, tmp_path, "test.bin: cannot be read", "PERENNIAL_DATA")


def test_other_images_are_refused_by_their_checksum(records, tmp_path):
    records["test"][4, 77] ^= 1
    for k, write in enumerate((binary, python)):
        refused(
            write(tmp_path / str(k), records),
            tmp_path,
            "the test images",
            "are not the official ones",
            "sha1",
        )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02}q\x00.", "it lacks data, fine_labels or coarse_labels"),
        (pickle.dumps([1, 2]), "it lacks data"),
        (b"not a pickle", "is no part of CIFAR-100"),
        (b"cos\nsystem\n(S'true'\ntR.", "it asks for os.system"),
        (pickle.dumps({"data": np.zeros((3, 5), "u1"), "fine_labels": [1], "coarse_labels": [1]}, 2), "data [3, 5]"),
    ],
)  # fmt: skip
def test_a_bad_pickle_is_one_line_and_calls_nothing(records, tmp_path, content, words):
    folder = python(tmp_path / "p", records)
    (folder / "cifar-100-python" / "train").write_bytes(content)
    refused(folder, tmp_path, "cifar-100-python/train", words)


def test_nothing_there_and_no_network_is_one_line(records, tmp_path, monkeypatch):
    """Where nothing can be fetched the line says what to put where."""
    reader = _torchvision.readers().CIFAR100
    monkeypatch.setattr(reader, "url", "http://127.0.0.1:9/none.tar.gz")
    refused(
        tmp_path,
        tmp_path,
        "has neither cifar-100-python/ nor cifar-100-binary/",
        "put cifar-100-python/train",
    )


def test_the_real_images(tmp_path):
    folder = real_data.cifar_root()
    one = made(folder, tmp_path / "real.h5")
    assert (
        one["train_images"].shape == (50_000, 3, 32, 32)
        and np.bincount(one["test_labels"]).tolist() == [100] * 100
    )
    for part in ("train", "test"):
        pixels = one[f"{part}_images"].reshape(-1, 3072)
        batch = pickle.loads((folder / "cifar-100-python" / part).read_bytes(), encoding="latin1")
        coarse = np.asarray(next(batch[key] for key in batch if "coarse" in str(key)), np.uint8)
        whole = np.concatenate([coarse[:, None], one[f"{part}_labels"][:, None], pixels], axis=1)
        (tmp_path / "b" / "cifar-100-binary").mkdir(parents=True, exist_ok=True)
        whole.tofile(tmp_path / "b" / "cifar-100-binary" / f"{part}.bin")
    other = made(tmp_path / "b", tmp_path / "binary.h5")
    assert all((one[name] == other[name]).all() for name in one)

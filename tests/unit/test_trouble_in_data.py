"""Data that people really have: packed, cut, deep, mislabelled, read-only. Nothing is read wrongly in silence."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

from perennial import datasets
from perennial.datasets import mnist
from perennial.files import store

NAMES = ("n01", "n02", "n03")


def picture(value: int) -> np.ndarray:
    """A grey image of 8x8 with some structure."""
    return (np.arange(64).reshape(8, 8) + value).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Three classes of four images."""
    home = tmp_path / "data" / "ILSVRC2012_img_train"
    for k, name in enumerate(NAMES):
        (home / name).mkdir(parents=True)
        for one in range(4):
            Image.fromarray(picture(20 * k + one)).save(home / name / f"{one}.png")
    return home


def make(folder, tmp_path, name="imagenet32"):
    """The arrays of the data set; made anew."""
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    datasets.make(name, tmp_path / "out" / "made.h5", folder.parent)
    return datasets.read(tmp_path / "out" / "made.h5")


def refused(folder, tmp_path, name="imagenet32") -> str:
    with pytest.raises(datasets.DataError) as caught:
        make(folder, tmp_path, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pack(path, members=None, **options) -> None:
    """Replace a class's folder by its .tar file."""
    with tarfile.open(path.with_name(f"{path.name}.tar"), "w", **options) as tar:
        for file in members or sorted(path.iterdir()):
            tar.add(file, file.name)
    shutil.rmtree(path)


@pytest.mark.parametrize("ending", ["tar.gz", "zip", "tgz", "tar.part", "TAR.bz2"])
def test_a_class_in_another_form_is_refused_and_never_skipped(folder, tmp_path, ending):
    (folder / f"n01.{ending}").write_bytes(b"whatever it holds")
    assert len(make(folder, tmp_path)["names"]) == 3  # it is there as a folder as well
    shutil.rmtree(folder / "n01")
    assert refused(folder, tmp_path).startswith(
        f"{folder / f'n01.{ending}'}: class n01 is there as .{ending}"
    )


def test_what_is_not_taken_is_named(folder, tmp_path, capsys):
    (folder / "README.txt").write_text("about these images", encoding="utf-8")
    os.mkfifo(folder / "pipe")
    assert len(make(folder, tmp_path)["names"]) == 3
    assert f"{folder}: not taken, as no class: README.txt, pipe" in capsys.readouterr().err


def test_capitals_make_no_other_file(folder, tmp_path):
    plain = make(folder, tmp_path)
    pack(folder / "n01")
    (folder / "n01.tar").rename(folder / "n01.TAR")
    assert np.array_equal(make(folder, tmp_path)["images"], plain["images"])


@pytest.mark.parametrize("damage", ["flipped byte", "between", "in a header", "in an image", "no end", "two"])
def test_a_damaged_tar_is_never_whole(folder, tmp_path, damage):
    pack(folder / "n02")
    path = folder / "n02.tar"
    whole = path.read_bytes()
    with tarfile.open(path) as tar:
        third = tar.getmembers()[2]
        last = tar.offset
    flipped = bytearray(whole)
    flipped[third.offset + 10] ^= 0x55
    path.write_bytes({
        "flipped byte": bytes(flipped), "between": whole[: third.offset],
        "in a header": whole[: third.offset + 100], "in an image": whole[: third.offset_data + 20],
        "no end": whole[:last], "two": whole + whole,
    }[damage])  # fmt: skip
    assert refused(folder, tmp_path).startswith(f"{path}: is no whole .tar file")


def test_a_tar_gives_what_its_folder_would(folder, tmp_path):
    """Links lead to what they name, a member that comes twice counts as it was last, its own folder is none."""
    plain = make(folder, tmp_path)["images"]
    files = {name: (folder / "n02" / name).read_bytes() for name in ("0.png", "1.png", "2.png")}
    shutil.rmtree(folder / "n02")
    with tarfile.open(folder / "n02.tar", "w") as tar:
        for name, content in {
            "./n02/0.png": b"an older one",
            **{f"n02/{k}": v for k, v in files.items()},
        }.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
        link = tarfile.TarInfo("n02/3.png")
        link.type, link.linkname = tarfile.SYMTYPE, "1.png"
        tar.addfile(link)
    found = make(folder, tmp_path)["images"]
    assert np.array_equal(found[4:7], plain[4:7]) and np.array_equal(found[7], plain[5]) and len(found) == 12


@pytest.mark.parametrize("target", ["nowhere.png", "../../etc/passwd", "3.png"])
def test_a_link_that_leads_nowhere_inside_is_refused(folder, tmp_path, target):
    (folder / "n02" / "3.png").unlink()
    (folder / "n02" / "3.png").symlink_to(target)
    pack(folder / "n02")
    assert "3.png is a link" in refused(folder, tmp_path)


def test_folders_in_a_tar_are_refused_as_in_a_folder(folder, tmp_path):
    with tarfile.open(folder / "n02.tar", "w") as tar:
        tar.add(folder / "n02" / "0.png", "val/0.png")
    shutil.rmtree(folder / "n02")
    assert "holds the folder 'val'" in refused(folder, tmp_path)


def test_images_deeper_than_eight_bits_are_scaled_by_their_range_or_left_out(folder, tmp_path, capsys):
    grey, home = picture(40), folder / "n01"
    before = make(folder, tmp_path)["images"][0]
    Image.fromarray(picture(0).astype(np.uint16) * 257).save(home / "0.png")  # the same in 16 bits
    (home / "5.pgm").write_bytes(b"P5 8 8 65535\n" + (grey.astype(">u2") * 257).tobytes())
    (home / "6.pgm").write_bytes(b"P5 8 8 255\n" + grey.tobytes())
    Image.fromarray((grey / 255).astype(np.float32)).save(home / "7_float.tif")
    Image.fromarray(grey.astype(np.int32) * 257).save(home / "8_int.tif")
    found = make(folder, tmp_path)
    assert found["counts"].tolist() == [6, 4, 4] and np.array_equal(found["images"][0], before)
    assert np.array_equal(found["images"][4], found["images"][5])
    said = capsys.readouterr().err
    for name in ("7_float.tif", "8_int.tif"):
        assert f"n01: {name} is left out: it cannot be decoded (mode" in said


def test_what_is_no_regular_file_or_too_large_costs_a_line(folder, tmp_path, capsys):
    os.mkfifo(folder / "n01" / "pipe.png")
    with open(folder / "n01" / "huge.png", "wb") as file:
        file.truncate(1 << 40)  # takes no space
    broad = struct.pack(">II5B", 100_000, 100_000, 8, 2, 0, 0, 0)
    (folder / "n01" / "broad.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + broad + bytes(4)
    )
    assert make(folder, tmp_path)["counts"].tolist() == [4, 4, 4]
    said = capsys.readouterr().err
    for line in (
        "pipe.png is left out: it is no regular file",
        "huge.png is left out: it is larger",
        "broad.png is left",
    ):
        assert line in said


def test_names_that_are_not_utf_8_are_read_and_shown(folder, tmp_path, capsys):
    odd = os.fsencode(folder) + b"/n0\xff"
    os.rename(folder / "n03", odd)
    with open(odd + b"/\xfe.png", "wb") as file:
        file.write(b"no image")
    assert make(folder, tmp_path)["names"].tolist() == [b"n01", b"n02", b"n0\xff"]
    assert "n0\\udcff: \\udcfe.png is left out" in capsys.readouterr().err


# ---- the official batches


@pytest.fixture
def batches(tmp_path):
    """Ten batches of four images, one of each class."""
    home = tmp_path / "data" / "Imagenet32_train"
    home.mkdir(parents=True)
    for k in range(1, 11):
        save(home, k)
    return home


def save(home, k, labels=(1, 2, 3, 4), mean=None, value=None) -> None:
    rows = np.arange(4, dtype=np.uint8)[:, None] + np.uint8(10 * (value or k))
    batch = {
        "data": np.repeat(rows, 3072, 1),
        "labels": labels,
        "mean": np.full(3072, 56.5) if mean is None else mean,
    }
    (home / f"train_data_batch_{k}").write_bytes(pickle.dumps(batch, protocol=2))


@pytest.mark.parametrize(
    "labels",
    [
        [1.0, 2.0, 3.0, 4.0], ["n1", "n2", "n3", "n4"], np.array([[1], [2], [3], [4]]), np.eye(4), [1, 2, 3, None],
        [[1], [2, 3], 4, 4], [True] * 4, 7, "four",
    ],
    ids=str,
)  # fmt: skip
def test_labels_that_are_no_list_of_whole_numbers_are_refused(batches, tmp_path, labels):
    save(batches, 3, labels=labels)
    line = refused(batches, tmp_path)
    assert line.startswith(f"{batches / 'train_data_batch_3'}: ")


def test_a_batch_that_comes_twice_is_told(batches, tmp_path):
    save(batches, 9, value=2)
    assert refused(batches, tmp_path).endswith(
        "holds the same images as train_data_batch_2; is it a copy of that?"
    )


@pytest.mark.parametrize(
    "mean", [np.full(3072, 0.47), np.full(3072, np.nan), np.full(3072, "x"), -np.ones(3072)]
)
def test_a_mean_on_another_scale_is_told(batches, tmp_path, mean):
    for k in range(1, 11):
        save(batches, k, mean=mean)
    assert "mean image" in refused(batches, tmp_path)


def test_a_byte_order_mark_is_no_part_of_a_name(batches, tmp_path):
    names = "\n".join(f"n{5 - k} {k} a_word" for k in (1, 2, 3, 4))
    (batches / "map_clsloc.txt").write_text(names, encoding="utf-8-sig")
    assert make(batches, tmp_path)["names"].tolist() == [b"n1", b"n2", b"n3", b"n4"]
    (batches / "map_clsloc.txt").write_text(names.replace("n2", "n1"), encoding="utf-8")
    assert "twice" in refused(batches, tmp_path)


# ---- MNIST


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """The folder of the two packed files of the training part, five images, declared to be the official ones."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = np.arange(5 * 784).astype(np.uint8).reshape(5, 28, 28), np.arange(5, dtype=np.uint8)
    for name, array in zip(mnist.NEEDED, (images, labels), strict=True):
        text = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
        (raw / f"{name}.gz").write_bytes(gzip.compress(text))
        monkeypatch.setitem(mnist.UNPACKED, name, hashlib.sha256(text).hexdigest())
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest())
    return raw


def test_packed_mnist_is_read_without_a_write(digits, tmp_path):
    found = make(digits.parent, tmp_path, "mnist")
    assert found["images"].shape == (5, 28, 28) and found["labels"].tolist() == [0, 1, 2, 3, 4]
    assert sorted(path.name for path in digits.iterdir()) == sorted(f"{name}.gz" for name in mnist.NEEDED)


def test_a_bad_file_that_nobody_needs_is_no_trouble(digits, tmp_path, capsys):
    (digits / mnist.NEEDED[0]).write_bytes(b"an error page")  # beside the good packed one
    (digits / "t10k-images-idx3-ubyte.gz").write_bytes(b"an error page")
    assert len(make(digits.parent, tmp_path, "mnist")["labels"]) == 5
    assert f"{mnist.NEEDED[0]}.gz is used" in capsys.readouterr().err
    (digits / f"{mnist.NEEDED[0]}.gz").write_bytes(b"an error page")
    assert "not the official file" in refused(digits.parent, tmp_path, "mnist")
    with pytest.raises(store.BadFile):
        datasets.checksum(tmp_path / "out" / "made.h5")

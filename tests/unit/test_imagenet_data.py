"""ImageNet at 32x32: official batches made by hand, real photographs cut up, broken files, and every way to stop."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from perennial import datasets
from perennial.datasets import imagenet32
from perennial.files import store

COUNTS = {"n00000003": 5, "n00000001": 13, "n00000002": 30}  # in the order of the official labels, 1 2 3


def make(root, output, threads=1):
    """The data set as arrays, and the attributes of its file."""
    datasets.make("imagenet32", output, root, threads)
    with store.open_checked(output) as file:
        return datasets.read(output), dict(file.attrs)


def mistake(root, tmp_path) -> str:
    """The one line about it."""
    with pytest.raises(datasets.DataError) as caught:
        datasets.make("imagenet32", tmp_path / "out" / "imagenet32.h5", root)
    line = str(caught.value)
    assert "\n" not in line and not (tmp_path / "out" / "imagenet32.h5").exists()
    return line


# ---- the official batches


def save(path: Path, batch) -> None:
    path.write_bytes(pickle.dumps(batch, protocol=2))


@pytest.fixture
def batches(tmp_path):
    """Ten batches of 48 images of three classes, mixed: (folder, images [n, 3072], labels [n])."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat([1, 2, 3], list(COUNTS.values())))
    data = random.integers(0, 256, (len(labels), 3072)).astype(np.uint8)
    folder = tmp_path / "data" / "Imagenet32_train"
    folder.mkdir(parents=True)
    parts = np.array_split(np.arange(len(labels)), 10)
    for k, part in enumerate(parts, start=1):
        batch = {"data": data[part], "labels": labels[part].tolist(), "mean": data.mean(axis=0)}
        save(folder / f"train_data_batch_{k}", batch)
    lines = [f"{name} {label} a_word,_another" for label, name in enumerate(COUNTS, start=1)]
    (folder / "map_clsloc.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder, data, labels


def test_batches_become_classes_in_the_order_of_their_names(batches, tmp_path):
    folder, data, labels = batches
    found, about = make(folder.parent, tmp_path / "a.h5")
    assert found["names"].tolist() == sorted(name.encode() for name in COUNTS)
    assert found["counts"].tolist() == [13, 30, 5] and found["images"].dtype == np.uint8
    by_hand = np.concatenate([data[labels == label] for label in (2, 3, 1)])  # in file order
    assert np.array_equal(found["images"], by_hand.reshape(-1, 3, 32, 32))
    assert np.array_equal(found["mean"], data.mean(axis=0).reshape(3, 32, 32))
    assert "ImageNet" in about["source"] and "non-commercial" in about["licence"]


def test_the_file_records_the_checksum_of_its_content(batches, tmp_path):
    found, about = make(batches[0].parent, tmp_path / "a.h5")
    content = b"".join(found[key].tobytes() for key in ("counts", "images", "mean", "names"))
    assert imagenet32.SHA256 is None and about["sha256"] == hashlib.sha256(content).hexdigest()
    assert datasets.checksum(tmp_path / "a.h5") == about["sha256"]
    path = batches[0] / "train_data_batch_4"
    batch = pickle.loads(path.read_bytes())
    batch["data"][0, 0] ^= 1
    save(path, batch)
    assert make(batches[0].parent, tmp_path / "b.h5")[1]["sha256"] != about["sha256"]


def test_images_are_mapped_and_cannot_be_written_to(batches, tmp_path):
    found, _ = make(batches[0].parent, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(found["images"], file["images"][...])
        assert np.shares_memory(found["images"], found["images"][3:5]) and file["images"].chunks is None
    assert isinstance(found["images"].base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found["images"][0] = 0


def test_without_the_list_classes_have_numbers(batches, tmp_path):
    (batches[0] / "map_clsloc.txt").unlink()
    found, _ = make(batches[0].parent, tmp_path / "a.h5")
    assert found["names"].tolist() == [b"class_0001", b"class_0002", b"class_0003"]
    assert found["counts"].tolist() == [5, 13, 30]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train_data_batch_3", None, "lacks train_data_batch_3"),
        ("train_data_batch_3", b"an error page", "is no batch"),
        ("train_data_batch_3", pickle.dumps([1, 2]), "lacks data, labels, mean"),
        ("train_data_batch_3", pickle.dumps({"data": 1, "labels": [1]}), "lacks mean"),
        ("map_clsloc.txt", b"n00000001 one", "each line must be"),
        ("map_clsloc.txt", b"n00000001 1 word", "no name for label 2"),
    ],
)
def test_a_wrong_file_is_named(batches, tmp_path, name, content, words):
    path = batches[0] / name
    path.unlink() if content is None else path.write_bytes(content)
    line = mistake(batches[0].parent, tmp_path)
    assert words in line and (name in line) and str(batches[0]) in line


def test_other_shapes_and_other_means_are_told(batches, tmp_path):
    path = batches[0] / "train_data_batch_2"
    batch = pickle.loads(path.read_bytes())
    save(path, {**batch, "data": batch["data"][:, :300]})
    assert f"{path}: has data (5, 300) uint8" in mistake(batches[0].parent, tmp_path)
    save(path, {**batch, "mean": batch["mean"] + 1})
    assert f"{path}: its mean image is not that of the first batch" in mistake(batches[0].parent, tmp_path)


class Evil:
    """What a pickle can do when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_runs_something_is_refused(batches, tmp_path):
    save(batches[0] / "train_data_batch_1", Evil(tmp_path / "made"))
    assert f"it asks for {os.mkdir.__module__}.mkdir" in mistake(batches[0].parent, tmp_path)
    assert not (tmp_path / "made").exists()


def test_real_batches(real_imagenet):
    """The mean image comes from elsewhere than the images: the batches give it."""
    real = datasets.read(real_imagenet.path)
    names = real["names"].tolist()
    assert len(names) == len(real["counts"]) >= 284 and sorted(set(names)) == names
    assert real["counts"].min() >= 550 and real["counts"].sum() == len(real["images"])
    total = np.zeros((3, 32, 32), np.uint64)
    for first in range(0, len(real["images"]), 10_000):
        total += real["images"][first : first + 10_000].sum(axis=0, dtype=np.uint64)
    assert np.allclose(total / len(real["images"]), real["mean"], atol=1e-6)
    assert real_imagenet.peak_bytes < 1.5e9  # one batch at a time, and no copies as floats


# ---- full-size images


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    """The bytes of an image file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiles(name: str, count: int) -> list[Image.Image]:
    """A real photograph of scikit-learn's (427 x 640), cut into pieces of 96 x 128."""
    from sklearn.datasets import load_sample_image

    photo = load_sample_image(f"{name}.jpg")
    places = [(96 * (k // 5), 128 * (k % 5)) for k in range(count)]
    return [Image.fromarray(photo[y : y + 96, x : x + 128]) for y, x in places]


@pytest.fixture
def photographs(tmp_path):
    """Two classes of 12 and 7 real photographs."""
    folder = tmp_path / "data" / "ILSVRC2012_img_train"
    for name, photo, count in (("n1", "china", 12), ("n2", "flower", 7)):
        (folder / name).mkdir(parents=True)
        for k, image in enumerate(tiles(photo, count)):
            (folder / name / f"{name}_{k:02d}.JPEG").write_bytes(encoded(image))
    return folder


def pack(folder: Path) -> None:
    """Replace a class's folder by its .tar file, in another order."""
    with tarfile.open(folder.with_suffix(".tar"), "w") as tar:
        for path in sorted(folder.iterdir(), reverse=True):
            tar.add(path, path.name)
            path.unlink()
    folder.rmdir()


def test_photographs_are_averaged_over_boxes(photographs, tmp_path):
    found, about = make(photographs.parent, tmp_path / "a.h5", threads=3)
    assert found["names"].tolist() == [b"n1", b"n2"] and found["counts"].tolist() == [12, 7]
    pieces = np.array([np.asarray(image) for image in tiles("china", 12) + tiles("flower", 7)])
    by_hand = pieces.reshape(19, 32, 3, 32, 4, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert np.abs(found["images"] - by_hand).max() <= 1  # it rounds twice: rows, then columns
    assert np.array_equal(found["mean"], found["images"].mean(axis=0))
    assert json.loads(about["modes"]) == {"RGB": 19} and about["unreadable"] == 0


def test_folders_and_tar_files_give_the_same_on_any_number_of_threads(photographs, tmp_path):
    _, folders = make(photographs.parent, tmp_path / "a.h5", threads=1)
    pack(photographs / "n2")
    _, mixed = make(photographs.parent, tmp_path / "b.h5", threads=4)
    assert folders["sha256"] == mixed["sha256"]


def broken_files() -> dict[str, bytes]:
    """Files that no decoder can read to the end."""
    whole = encoded(tiles("china", 1)[0], "JPEG")
    return {
        "n2_a_cut.JPEG": whole[: len(whole) // 2],
        "n2_b_empty.JPEG": b"",
        "n2_c_text.JPEG": b"<html>not found</html>",
        "n2_d_png.JPEG": encoded(tiles("china", 1)[0])[:300],
    }


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "tar"])
def test_broken_files_are_left_out_named_and_counted(photographs, tmp_path, capsys, packed):
    for name, content in broken_files().items():
        (photographs / "n2" / name).write_bytes(content)
    if packed:
        pack(photographs / "n2")
    found, about = make(photographs.parent, tmp_path / "a.h5")
    assert found["counts"].tolist() == [12, 7] and about["unreadable"] == 4
    assert json.loads(about["unreadable_files"]) == [f"n2/{name}" for name in broken_files()]
    said = capsys.readouterr().err.splitlines()
    for name in broken_files():
        assert sum(f"n2: {name} is left out: it cannot be decoded (" in line for line in said) == 1
    assert said[-1].endswith("left out because they cannot be decoded: 4") and len(said) == 5


def test_whatever_is_not_rgb_is_converted_and_counted(photographs, tmp_path, capsys):
    image = tiles("china", 1)[0]
    stored = {
        "grey": ("L", image.convert("L"), "JPEG"),
        "cmyk": ("CMYK", image.convert("CMYK"), "JPEG"),
        "palette": ("P", image.convert("P"), "PNG"),
        "alpha": ("RGBA", image.convert("RGBA"), "PNG"),
    }
    for name, (_, other, kind) in stored.items():
        (photographs / "n1" / f"z_{name}.JPEG").write_bytes(encoded(other, kind))
    found, about = make(photographs.parent, tmp_path / "a.h5")
    modes = {mode: 1 for mode, _, _ in stored.values()}
    assert json.loads(about["modes"]) == {"RGB": 19, **modes} and found["counts"].tolist() == [16, 7]
    assert "converted to RGB: 1 CMYK, 1 L, 1 P, 1 RGBA" in capsys.readouterr().err
    plain = found["images"][0].astype(int)
    alpha, cmyk, grey, palette = found["images"][12:16].astype(int)  # in file order
    assert np.array_equal(alpha, plain)
    assert (grey == grey[:1]).all() and np.abs(grey[0] - plain.mean(axis=0)).mean() < 20
    assert np.abs(cmyk - plain).mean() < 10 and np.abs(palette - plain).mean() < 20


def test_a_class_that_cannot_be_listed_stops_before_the_work(photographs, tmp_path):
    link = photographs / "n2" / "n2_99.JPEG"
    link.symlink_to("nowhere")
    assert f"{link}: cannot be read" in mistake(photographs.parent, tmp_path)
    link.unlink()
    (photographs / "n2" / "images").mkdir()
    assert f"{photographs / 'n2'}: holds the folder 'images'" in mistake(photographs.parent, tmp_path)
    (photographs / "n2" / "images").rmdir()
    pack(photographs / "n2")
    tar = photographs / "n2.tar"
    for content in (tar.read_bytes()[:30_000], b"an error page", b""):
        tar.write_bytes(content)
        assert f"{tar}: is no whole .tar file" in mistake(photographs.parent, tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_class_without_an_image_stops_the_work_and_keeps_what_is_done(photographs, tmp_path, capsys):
    whole, _ = make(photographs.parent, tmp_path / "whole.h5")
    kept = {path: path.read_bytes() for path in (photographs / "n2").iterdir()}
    for path in kept:
        path.write_bytes(b"")
    line = mistake(photographs.parent, tmp_path)
    assert line == f"{photographs / 'n2'}: class n2 has no image that can be decoded"
    parts = tmp_path / "out" / "imagenet32.parts"
    assert [path.name for path in parts.iterdir()] == ["n1.h5"]
    made = (parts / "n1.h5").stat().st_mtime_ns

    for path, content in kept.items():
        path.write_bytes(content)
    (parts / "n2.h5").write_bytes(b"half of a cla")  # a writer was killed
    capsys.readouterr()
    again = imagenet32.prepare(photographs.parent, parts, 1)
    assert "1 of 2 classes are scaled already" in capsys.readouterr().err
    assert (parts / "n1.h5").stat().st_mtime_ns == made and callable(again)

    (photographs / "n1" / "n1_00.JPEG").write_bytes(encoded(tiles("flower", 1)[0]))  # changed meanwhile
    found, _ = make(photographs.parent, tmp_path / "out" / "imagenet32.h5")
    assert "1 of 2 classes are scaled already" in capsys.readouterr().err
    assert not np.array_equal(found["images"][0], whole["images"][0])
    assert np.array_equal(found["images"][1:], whole["images"][1:])
    assert not parts.exists()


# ---- nothing to read


def test_nothing_to_read(tmp_path):
    assert all(
        word in mistake(None, tmp_path) for word in ("no folder", "PERENNIAL_DATA", "Imagenet32_train")
    )
    assert "is no folder" in mistake(tmp_path / "nowhere", tmp_path)
    assert "neither Imagenet32_train nor ILSVRC2012_img_train" in mistake(tmp_path, tmp_path)
    empty = tmp_path / "ILSVRC2012_img_train"
    empty.mkdir()
    assert f"{empty}: has no class" in mistake(tmp_path, tmp_path)
    (empty / "n1").mkdir()
    assert f"{empty / 'n1'}: class n1 has no files" in mistake(tmp_path, tmp_path)

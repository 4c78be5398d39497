"""Continual ImageNet as a DAG: from real photographs to a run, and what other photographs mean for that run."""

from __future__ import annotations

import h5py
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_sample_image
from workflow_copy import copy_repository, snakemake

PAIRS = {
    "title": "Pairs",
    "description": "A test, not a result.",
    "problem": {"name": "continual_imagenet", "classes": 4, "train_per_class": 10, "test_per_class": 5},
    "network": {"name": "mlp", "hidden": [10]},
    "procedure": "task_stream",
    "measures": {"online_accuracy": {"every": 1}},
    "variants": {"backprop": {"algorithm": {"name": "backprop", "step_size": 0.01}}},
}
RUN = "results/small/runs/pairs/backprop/seeds_0-1.h5"


@pytest.fixture
def study(tmp_path):
    """A copy of the repository and four classes of 20 pieces of two photographs, of which two are mirrored."""
    images = tmp_path / "images" / "ILSVRC2012_img_train"
    for c in range(4):
        photo = load_sample_image(("china.jpg", "flower.jpg")[c % 2])[:, :: -1 if c < 2 else 1]
        (images / f"n{c}").mkdir(parents=True)
        for k in range(20):
            y, x = 96 * (k // 5), 128 * (k % 5)
            Image.fromarray(photo[y : y + 96, x : x + 128]).save(images / f"n{c}" / f"n{c}_{k:02}.png")
    folder = tmp_path / "study"
    copy_repository(folder)
    config = {
        "scale": "small",
        "data": {"root": str(tmp_path / "images")},
        "scales": {"small": {"pairs": {"seeds": 2, "tasks": 3}}},
        "experiments": {"pairs": PAIRS},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def test_from_photographs_to_a_run_and_again_for_other_photographs(study):
    answer = snakemake(study, RUN)
    assert answer.code == 0, answer.out[-5000:]
    assert {"data imagenet32", "train pairs/backprop, seeds 0-1"} <= answer.jobs
    assert "80 images of 4 classes" in answer.out
    data = study / "results" / "data" / "imagenet32.h5"
    with h5py.File(data) as images, h5py.File(study / RUN) as run:
        assert run.attrs["data_sha256"] == images.attrs["sha256"]
        assert run["seed_0000/online_accuracy"].shape == (3,)
    assert "Nothing to be done" in snakemake(study, "--dry-run", RUN).out

    (study.parent / "images" / "ILSVRC2012_img_train" / "n0" / "n0_00.png").write_bytes(b"broken")
    data.unlink()
    assert "79 images of 4 classes" in snakemake(study, "results/data/imagenet32.h5").out
    again = snakemake(study, "--dry-run", RUN)
    assert "was trained on other data" in again.out and again.jobs == {"train pairs/backprop, seeds 0-1"}

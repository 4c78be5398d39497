"""Continual ImageNet as a DAG: from real photographs to a run, and what other photographs mean for that run."""

from __future__ import annotations

import csv

import h5py
import numpy as np
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
TINY = {
    "title": "Tiny",
    "description": "A test, not a result.",
    "problem": {"name": "continual_imagenet", "classes": 4, "train_per_class": 10, "test_per_class": 5},
    "network": {"name": "convnet", "channels": [4, 4, 4], "hidden": [4]},
    "procedure": {"name": "task_epochs", "epochs": 2, "batch_size": 10},
    "measures": {"test_accuracy": {"every": 1}, "test_accuracy_by_epoch": {"every": 1}},
    "variants": {
        "backprop_0.01": {"algorithm": {"name": "backprop", "step_size": 0.01, "momentum": 0.9}},
        "cbp_0.01_3e-4": {
            "algorithm": {"name": "cbp", "step_size": 0.01, "momentum": 0.9, "replacement_rate": 3e-4}
        },
    },
}
RUN = "results/small/runs/pairs/backprop/seeds_0-1.h5"


@pytest.fixture
def photographs(tmp_path):
    """Four classes of 20 pieces of two photographs, of which two are mirrored."""
    images = tmp_path / "images" / "ILSVRC2012_img_train"
    for c in range(4):
        photo = load_sample_image(("china.jpg", "flower.jpg")[c % 2])[:, :: -1 if c < 2 else 1]
        (images / f"n{c}").mkdir(parents=True)
        for k in range(20):
            y, x = 96 * (k // 5), 128 * (k % 5)
            Image.fromarray(photo[y : y + 96, x : x + 128]).save(images / f"n{c}" / f"n{c}_{k:02}.png")
    return tmp_path / "images"


@pytest.fixture
def study(photographs):
    """A copy of the repository with a scale that runs one small experiment, in the folder of its name."""

    def make(name, experiment, tasks):
        folder = photographs.parent / "study"
        copy_repository(folder)
        config = {"scale": "small", "data": {"root": str(photographs)}, "studies": ["nature2024"]}
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        home = folder / "studies" / "nature2024" / name
        home.mkdir(exist_ok=True)
        text = yaml.safe_dump(experiment | {"scales": {"small": {"seeds": 2, "length": tasks}}})
        (home / "experiment.yaml").write_text(text, encoding="utf-8")
        return folder

    return make


def test_from_photographs_to_a_run_and_again_for_other_photographs(study):
    study = study("pairs", PAIRS, tasks=3)
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


def test_from_photographs_to_figures_and_verdicts(study):
    folder = study("continual_imagenet", TINY, tasks=2)
    answer = snakemake(folder, "--cores", "2", "continual_imagenet")
    assert answer.code == 0, answer.out[-5000:]
    assert {
        "train continual_imagenet/cbp_0.01_3e-4, seeds 0-1",
        "figure fig_1b",
        "figure fig_1c",
    } <= answer.jobs
    results = folder / "results" / "small"
    with h5py.File(results / "metrics/continual_imagenet/backprop_0.01.h5") as file:
        last = file["test_accuracy/values"][...]  # [seed, task]
        by_epoch = file["test_accuracy_by_epoch/values"][...]  # [seed, task, epoch]
        assert file["test_accuracy_by_epoch/epoch"][...].tolist() == [1, 2]
    assert last.shape == (2, 2) and by_epoch.shape == (2, 2, 2)
    np.testing.assert_array_equal(by_epoch[:, :, -1], last)
    verdicts = {row["id"]: row for row in csv.DictReader((results / "claims/continual_imagenet.csv").open())}
    assert list(verdicts) == [f"I{k}" for k in range(1, 17)]
    assert (
        float(verdicts["I1"]["estimate"]) == pytest.approx(last[:, 0].mean()) and verdicts["I1"]["n"] == "2"
    )
    assert verdicts["I10"]["verdict"] == "not run"  # two tasks are no 5,000
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "Fig. 1b: loss of plasticity on Continual ImageNet" in page
    again = snakemake(folder, "--dry-run", "continual_imagenet")
    made = ("data", "sequences", "train", "metrics", "figure", "claims")
    assert not [job for job in again.jobs if job.startswith(made)]

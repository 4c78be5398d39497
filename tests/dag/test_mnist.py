"""Permuted MNIST as a DAG: on real images from end to end, and without them beside an experiment that needs none."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import yaml
from real_data import mnist_root
from workflow_copy import copy_repository, snakemake

SMALL = {
    "description": "A test, not a result.",
    "scales": {"small": {"seeds": 2, "length": 2}},
    "network": {"name": "mlp", "hidden": [10]},
    "procedure": "task_stream",
    "measures": {"online_accuracy": {"every": 1}, "effective_rank": {"every": 1}},
    "variants": {"backprop": {"algorithm": {"name": "backprop", "step_size": 0.01}}},
}
MNIST = {
    **SMALL,
    "title": "MNIST",
    "problem": {"name": "permuted_mnist", "task_examples": 3000, "probe_examples": 50},
}
DIGITS = {**SMALL, "title": "Digits", "problem": "permuted_digits"}


@pytest.fixture
def study(tmp_path):
    """A copy of the repository whose only scale runs both small experiments."""

    def make(root):
        folder = tmp_path / "study"
        copy_repository(folder)
        config = {
            "scale": "small",
            "data": {"root": str(root)},
            "experiments": {"digits": DIGITS, "mnist": MNIST},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        return folder

    return make


def test_real_images_from_the_folder_to_the_report(study):
    folder = study(mnist_root())
    answer = snakemake(folder, "mnist")
    assert answer.code == 0, answer.out[-5000:]
    assert {"data mnist", "train mnist/backprop, seeds 0-1"} <= answer.jobs
    results = folder / "results" / "small"
    with h5py.File(results / "metrics/mnist/backprop.h5") as file:
        accuracy = file["online_accuracy/values"][...]  # [seed, task]
    assert accuracy.shape == (2, 2) and (accuracy > 50).all() and len(np.unique(accuracy)) == 4
    assert (results / "report.html").is_file()
    with h5py.File(results / "runs/mnist/backprop/seeds_0-1.h5") as file:
        assert file.attrs["peak_memory_bytes"] < 700e6
    again = snakemake(folder, "--dry-run", "results/small/metrics/mnist/backprop.h5")
    assert "Nothing to be done" in again.out


def test_without_the_data_everything_else_is_made(study):
    folder = study("nowhere")
    answer = snakemake(folder)
    assert answer.code != 0 and "Traceback" not in answer.out
    assert "data set 'mnist': nowhere is no folder (PERENNIAL_DATA, or data.root in the config)" in answer.out
    results = folder / "results" / "small"
    assert (results / "metrics/digits/backprop.h5").is_file() and (results / "claims/digits.csv").is_file()
    assert not (results / "runs/mnist").exists() and not (folder / "results/data/mnist.h5").exists()
    again = snakemake(folder, "--dry-run", "--", "digits")
    assert not [job for job in again.jobs if job.startswith(("data", "sequences", "train", "metrics"))]

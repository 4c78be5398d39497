"""The GPU benchmarks run, with tiny sizes on the CPU. What they print here is no measurement of anything."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from perennial import procedures
from perennial.estimate import gpu as plan_gpu
from perennial.learning import engines
from perennial.learning.engines.graphed.batches import convolution
from perennial.learning.networks.convnet import Settings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FULL = {"name": "convnet", "channels": [32, 64, 128], "hidden": [128, 128]}


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu
    import gpu_convnet

    yield gpu, gpu_convnet
    for name in ("gpu", "gpu_convnet"):
        sys.modules.pop(name)


def test_convnet(modules, monkeypatch, tmp_path):
    _, convnet = modules
    monkeypatch.setattr(convnet, "ROUNDS", 1)
    size = convnet.Size(Settings(channels=[2, 3, 4], hidden=[5]), images=20, batch=5, passes=2)
    of = convnet.cases((1, 2))
    assert len(of) == 2 * 6 + 3 * 2
    figures = convnet.table(of, "cpu", size, tmp_path / "table.md")
    lines = (tmp_path / "table.md").read_text().splitlines()
    head, _, *cells = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    assert len(cells) == len(of) and {len(row) for row in (head, *cells)} == {11}
    assert all(row[9].strip() == "bitwise" for row in cells)  # the same stack, again
    assert [(row["algorithm"]["name"], row["runs"]) for row in figures] == [
        ("backprop", 1), ("backprop", 2),
        *((name, runs) for name in ("l2", "shrink_and_perturb", "cbp") for runs in (1, 2)),
    ]  # fmt: skip
    assert all(row["seconds_per_run_step"] > 0 for row in figures)
    assert convolution.FORMULATION == "grouped" and not torch.backends.cudnn.allow_tf32
    convnet.learner(of[1], [0], "cpu", size)
    assert of[1].precision == "tf32" and torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32


def test_operations_of_a_step(modules):
    """3.1 GFLOP: 100 images through 2.4 + 2.7 + 1.2 million products forward, and back."""
    _, convnet = modules
    conv = [32 * 75 * 28**2, 64 * 288 * 12**2, 128 * 576 * 4**2]
    full = [512 * 128, 128 * 128, 128 * 2]
    assert convnet.flops(convnet.Size()) == 200 * (3 * sum(conv + full) - conv[0])


def test_mlp(modules, monkeypatch):
    gpu, _ = modules
    monkeypatch.setattr(gpu, "ROUNDS", 1)
    monkeypatch.setattr(gpu, "IMAGES", 20)
    assert gpu.run_steps_per_second(gpu.ALGORITHMS["CBP"], 5, 2, "cpu", 10) > 0
    assert gpu.run_steps_per_second(gpu.ALGORITHMS["CBP"], 5, 2, "cpu", 10, engine="recorded") > 0
    assert gpu.grouping(gpu.ALGORITHMS["backprop"], 5, "cpu", 10) == "bitwise"
    assert gpu.bandwidth("cpu", 2**10) > 0


def test_rows_for_the_plan(modules, tmp_path):
    """Each network's rows replace its own; another device begins anew; no convolution is scaled."""
    gpu, _ = modules
    path = tmp_path / "gpu.json"
    row = {"algorithm": {"name": "cbp"}, "weights": 177_218, "runs": 8, "seconds_per_run_step": 1e-4}
    gpu.keep([{**row, "network": "mlp"}], "mlp", path, "one")
    gpu.keep([{**row, "network": "convnet", "seconds_per_run_step": 2e-4}], "convnet", path, "one")
    gpu.keep([{**row, "network": "convnet"}], "convnet", path, "one")
    assert [found["network"] for found in json.loads(path.read_text())["rows"]] == ["mlp", "convnet"]
    settings = {
        "network": FULL, "procedure": {"name": "task_epochs"}, "problem": {"name": "continual_imagenet"},
        "algorithm": {"name": "cbp", "step_size": 0.01, "replacement_rate": 1e-4}, "precision": "float32",
    }  # fmt: skip
    assert engines.fits("graphed", procedures.need(settings)) is None
    known = plan_gpu.read(path)
    assert plan_gpu.seconds_per_run_step(known, settings, 177_218) == 1e-4
    assert plan_gpu.seconds_per_run_step(known, settings, 20_000) is None
    gpu.keep([{**row, "network": "mlp"}], "mlp", path, "another")
    assert plan_gpu.seconds_per_run_step(plan_gpu.read(path), settings, 177_218) is None


@pytest.mark.parametrize("name", ["gpu", "gpu_convnet"])
def test_without_a_gpu_nothing_is_measured(name, modules, monkeypatch):
    monkeypatch.setattr(engines, "cuda_here", lambda: False)
    with pytest.raises(SystemExit, match=r"no CUDA device .* nothing was measured"):
        sys.modules[name].main()

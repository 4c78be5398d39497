"""Continual ImageNet with a small network: its figure and claims on made-up results. Nothing here is a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_results as made

from perennial.figures import _read, continual_imagenet_small

SMALL = "continual_imagenet_small"


def settings(variant: str, tasks: int) -> dict:
    """Settings of one variant, in the shape that `Study.settings` gives."""
    algorithm = {"linear": "backprop", "fresh": "backprop"}.get(variant, variant)
    given = made.settings(SMALL, [] if variant == "linear" else [32, 32], "relu", algorithm, tasks)
    if variant != "linear":
        given["network"] = {"name": "convnet", "channels": [8, 16, 32], "hidden": [32, 32]}
    return given


def write(folder: Path, variants: tuple[str, ...], tasks: int = 250, every: int = 5) -> made.Study:
    """Metrics files of some variants; internals before every fifth task."""
    rng = np.random.default_rng(0)
    table = {variant: settings(variant, tasks) for variant in variants}
    study = made.Study(folder, table={SMALL: table}, counts={SMALL: 3}, figure_names={SMALL: [SMALL]})
    x = np.arange(1, tasks + 1, every)
    for variant, given in table.items():
        layers = 0 if variant == "linear" else 5
        arrays = {
            "test_accuracy": (80 + rng.normal(0, 8, (3, tasks)), {"task": np.arange(1, tasks + 1)}, "percent"),
            "dead_units": (
                rng.uniform(0, 9, (3, len(x), layers)), {"task": x, "layer": np.arange(1, layers + 1)}, "percent"
            ),
            "weight_magnitude": (rng.uniform(0.1, 0.2, (3, len(x))), {"task": x}, "1"),
        }  # fmt: skip
        made.write_metrics(
            study.folder / "metrics" / SMALL / f"{variant}.h5", SMALL, variant, given, 3, arrays
        )
    return study


def solid(axis):
    return [line for line in axis.lines if line.get_marker() in ("", "None", None)]


@pytest.mark.filterwarnings("error")
def test_every_variant_is_drawn_and_a_linear_map_has_no_units(tmp_path):
    study = write(tmp_path, ("backprop", "l2", "shrink_and_perturb", "cbp", "linear", "fresh", "mine"))
    metrics = made.figure_metrics(study, continual_imagenet_small.needs(study))
    figure = continual_imagenet_small.draw(metrics)
    accuracy, dead, weights = figure.axes
    assert len(solid(accuracy)) == 7 and len(solid(dead)) == len(solid(weights)) == 6
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(set(names)) == 7 and {"Continual backprop", "Linear", "Fresh network per task", "Mine"} <= set(
        names
    )
    assert "3 seeds" in figure.get_suptitle()


def test_accuracy_is_in_bins_and_internals_at_the_tasks_where_they_were_measured(tmp_path):
    study = write(tmp_path, ("cbp",))
    (path,) = made.figure_metrics(study, continual_imagenet_small.needs(study)).values()
    accuracy, dead, _ = continual_imagenet_small.draw({(SMALL, "cbp"): path}).axes
    size = continual_imagenet_small.BIN
    line = solid(accuracy)[0]
    assert len(line.get_xdata()) == 250 // size and line.get_xdata()[0] == (1 + size) / 2
    whole = _read.read(path, "test_accuracy").mean
    np.testing.assert_allclose(line.get_ydata(), whole.reshape(-1, size).mean(1))
    assert solid(dead)[0].get_xdata()[:3].tolist() == [1, 6, 11]
    short = write(tmp_path / "short", ("cbp",), tasks=11)
    figure = continual_imagenet_small.draw(made.figure_metrics(short, continual_imagenet_small.needs(short)))
    assert len(solid(figure.axes[0])[0].get_xdata()) == 11

"""Continual ImageNet with a small network: its figure and claims on made-up results. Nothing here is a result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_results as made
import the_studies

from perennial import config
from perennial.claims import judging
from perennial.claims.data import Curves, Variant
from perennial.claims.verdict import CONTRADICTED, NOT_RUN, REPRODUCED
from perennial.figures import _read

SMALL = "continual_imagenet_small"
ROOT = Path(__file__).parents[2]
continual_imagenet_small = the_studies.figure(SMALL)
IDS = [f"CI{k}" for k in range(1, 8)]
VARIANTS = ("backprop", "l2", "shrink_and_perturb", "cbp", "linear")


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


def shaped(name: str, tasks: int) -> dict[str, np.ndarray]:
    """What the claims speak of, without noise: metric -> [task]."""
    t = np.arange(tasks)
    learning = np.interp(t, [0, 20], [65, 80])
    level = {"backprop": np.interp(t, [0, 20, 80, 200, 299], [65, 80, 80, 75, 62])}
    level |= {
        "l2": learning,
        "shrink_and_perturb": learning,
        "cbp": learning + np.interp(t, [50, 100], [0, 2]),
    }
    dead = np.interp(t, [0, 10, 299], [20, 3, 20 if name == "backprop" else 3])
    weight = np.interp(t, [0, 299], [0.05, 0.4 if name == "backprop" else 0.2])
    return {
        "test_accuracy": level.get(name, np.full(tasks, 75.0)),
        "dead_units": dead,
        "weight_magnitude": weight,
    }


def results(curves: dict[str, dict[str, np.ndarray]], n: int = 5, noise: float = 2.0, seed: int = 0) -> dict:
    """In-memory results as claims read them: every task, with so many points of noise for each."""
    rng = np.random.default_rng(seed)
    scale = {"test_accuracy": noise, "dead_units": noise / 2, "weight_magnitude": noise / 100}
    found = {}
    for name, metrics in curves.items():
        made_up = {}
        for metric, curve in metrics.items():
            values = curve + scale[metric] * rng.normal(size=(n, len(curve)))
            made_up[metric] = Curves(np.arange(n), np.arange(1.0, len(curve) + 1), values, "", "task")
        found[name] = Variant(made_up, settings(name, 300), planned=tuple(range(n)))
    return found


def words(given: dict) -> dict[str, str]:
    found = judging.verdicts(the_studies.claims(SMALL), given)["claims"]
    assert all(claim["ours"] and not claim["published"] for claim in found)
    return {claim["id"]: claim["verdict"] for claim in found}


def test_claims_hold_for_what_they_describe_and_need_runs():
    assert words({}) == dict.fromkeys(IDS, NOT_RUN)
    curves = {name: shaped(name, 300) for name in VARIANTS}
    assert words(results(curves)) == dict.fromkeys(IDS, REPRODUCED)
    short = {name: shaped(name, 200) for name in VARIANTS}
    early = {name for name, verdict in words(results(short)).items() if verdict != NOT_RUN}
    assert early == {"CI3", "CI4"}  # the others speak of tasks 201 to 300


@pytest.mark.parametrize("draw", range(4))
def test_flat_noise_reproduces_only_that_nothing_falls(draw):
    """Tasks that scatter like real ones, about 10 points."""
    level = {"test_accuracy": 78.0, "dead_units": 5.0, "weight_magnitude": 0.2}
    flat = {name: {metric: np.full(300, value) for metric, value in level.items()} for name in VARIANTS}
    found = words(results(flat, noise=10.0, seed=draw))
    assert {name for name, verdict in found.items() if verdict == REPRODUCED} <= {"CI2"}


BROKEN = [  # variant, metric, what it is instead, the claim that it breaks
    ("backprop", "test_accuracy", lambda y: np.maximum(y, 79.9), "CI1"),
    ("cbp", "test_accuracy", lambda y: y - np.interp(np.arange(300), [100, 250], [0, 6]), "CI2"),
    ("cbp", "test_accuracy", lambda y: y - 12, "CI3"),
    ("shrink_and_perturb", "test_accuracy", lambda y: y - 9, "CI4"),
    ("linear", "test_accuracy", lambda y: y + 7, "CI5"),
    ("cbp", "dead_units", lambda y: y + 17, "CI6"),
    ("backprop", "weight_magnitude", lambda y: np.full(300, 0.2), "CI7"),
]


@pytest.mark.parametrize(("variant", "metric", "change", "claim"), BROKEN, ids=[row[3] for row in BROKEN])
def test_each_claim_can_be_contradicted(variant, metric, change, claim):
    curves = {name: shaped(name, 300) for name in VARIANTS}
    curves[variant][metric] = change(curves[variant][metric])
    assert words(results(curves))[claim] == CONTRADICTED


def test_the_laptop_has_the_whole_experiment_on_request():
    study = config.load(ROOT / "config.yaml", scale="laptop")
    assert set(study.variants(SMALL)) == set(VARIANTS) == the_studies.claims(SMALL).variants()
    assert not study.experiment(SMALL).all_by_default and study.figures()[SMALL] == [SMALL]
    for variant in VARIANTS:
        given = study.settings(SMALL, variant)
        problem, procedure = given["problem"], given["procedure"]
        updates = 2 * problem["train_per_class"] * procedure["epochs"] // procedure["batch_size"]
        assert (problem["classes"], given["length"], updates) == (284, 300, 200)
        assert set(given["measures"]) == {name for name, _, _ in continual_imagenet_small.PANELS}

"""Made-up results of Continual ImageNet: the published curves, with noise of seeds. Nothing here is a result.

Where no curve was digitised (most settings of the grids) the curve is invented.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import synthetic_results as made
import the_studies
from the_studies import published

from perennial.claims.data import Curves, Variant

IMAGENET, FIRST = "continual_imagenet", "continual_imagenet_first_tasks"
STEPS = ("backprop_0.01", "backprop_0.001", "backprop_1e-4", "linear")
METHODS = the_studies.helper(IMAGENET, "_continual_imagenet").METHODS
SHOWN = {method.name: method.shown for method in METHODS}
L2, NOISY, CBP = SHOWN["l2"], SHOWN["shrink_and_perturb"], SHOWN["cbp"]
EPOCHS = "test_accuracy_by_epoch^"
BIN, EPOCHS_EVERY = 50, 50


def by_task(line: published.Series) -> np.ndarray:
    """A published curve of bins at every task: each bin a step, holes bridged."""
    read = np.isfinite(line.mean)
    return np.repeat(np.interp(line.x, line.x[read], line.mean[read]), BIN)


def curves() -> dict[str, np.ndarray]:
    """variant -> test accuracy [task] of all settings."""
    found = {name: by_task(line) for name, line in published.series("fig_1b").items()}
    for name, line in published.series("fig_1b_first").items():
        rest = (BIN * found[name][0] - line.mean.sum()) / (BIN - len(line.x))  # the bin keeps its mean
        found[name][:BIN] = rest
        found[name][: len(line.x)] = line.mean
    found |= {name: by_task(line) for name, line in published.series("fig_1c").items()}
    found[L2][:250] = np.repeat(
        [85.2, 85.6, 86.0, 86.3, 86.6], BIN
    )  # hidden in the figure, but for both ends
    ends = 0.3 * found["backprop_0.01"][1000:] + 0.7 * found["backprop_0.001"][1000:]
    early = 0.5 * found["backprop_0.01"][:1000] + 0.5 * found["backprop_0.001"][:1000]
    found["backprop_0.003"] = np.concatenate([early, ends]) - 0.4
    found["backprop_0.1"] = np.where(np.arange(2000) < 3, 75.0, 50.0)
    found["fresh"] = np.full(50, 89.42)
    for method in METHODS:
        for variant in set(method.grid) - {method.shown}:
            found[variant] = found[method.shown] - 3.0
    return found


def epochs() -> dict[str, np.ndarray]:
    """variant -> epochs to the best accuracy, of the measured tasks."""
    return {CBP: np.where(np.arange(100) == 0, 125.0, 10.0), "fresh": np.full(50, 125.0)}


def settings(variant: str, tasks: int = 5000, **problem) -> dict:
    """Settings of one variant, in the shape that `Study.settings` gives."""
    names = ("backprop", "l2", "shrink_and_perturb", "cbp", "mine")
    algorithm = next((name for name in names if variant.startswith(name)), "backprop")
    given = made.settings(IMAGENET, [] if variant == "linear" else [128, 128], "relu", algorithm, tasks)
    images = {"classes": 1000, "train_per_class": 600, "test_per_class": 100}
    return given | {"problem": {"name": IMAGENET, **images, **problem}}


def noisy(curve: np.ndarray, n: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """[seed, task]: a curve with `noise` points for each task, and a tenth of that for each seed."""
    return curve + 0.1 * noise * rng.normal(size=(n, 1)) + noise * rng.normal(size=(n, len(curve)))


def results(
    n: int = 10, noise: float = 1e-3, given: dict | None = None, waits: dict | None = None, seed: int = 0
) -> dict[str, Variant]:
    """In-memory results of `continual_imagenet` as claims read them."""
    rng = np.random.default_rng(seed)
    waits = epochs() if waits is None else waits
    named = the_studies.claims(IMAGENET).variants()
    found = {}
    for variant, curve in (curves() if given is None else given).items():
        if variant not in named:
            continue  # most of the grids: no claim reads them
        x = np.arange(1.0, len(curve) + 1)
        metrics = {"test_accuracy": Curves(np.arange(n), x, noisy(curve, n, noise, rng), "percent", "task")}
        if variant in waits:
            values = np.broadcast_to(waits[variant], (n, waits[variant].shape[-1]))
            every = 1 if variant == "fresh" else EPOCHS_EVERY
            metrics[EPOCHS] = Curves(
                np.arange(n), 1 + every * np.arange(float(values.shape[1])), values, "epochs", "task"
            )
        found[variant] = Variant(metrics, settings(variant), planned=tuple(range(n)))
    return found


def study(results_folder: Path, variants: tuple[str, ...] | None = None, first: bool = False) -> made.Study:
    """A study of the named variants (all of them when none are named), or of the first ten tasks."""
    table = {}
    if first:
        fewer = {"classes": 284, "train_per_class": 500, "test_per_class": 50}
        table[FIRST] = {"backprop_0.01": settings("backprop_0.01", 10, **fewer)}
    else:
        table[IMAGENET] = {variant: settings(variant) for variant in variants or curves()}
    figures = {"fig_1b": list(table)} | ({} if first else {"fig_1c": [IMAGENET]})
    return made.Study(Path(results_folder), table=table, counts=dict.fromkeys(table, 3), figure_names=figures)


def write(given: made.Study, seeds: int = 3, noise: float = 2.0, tasks: int | None = None) -> None:
    """Metrics files of every variant of the study."""
    rng = np.random.default_rng(0)
    known = curves()
    for experiment, variants in given.table.items():
        for variant, its in variants.items():
            curve = known.get(variant, known["backprop_0.01"])[: its["length"] if tasks is None else tasks]
            arrays = {
                "test_accuracy": (
                    noisy(curve, seeds, noise, rng), {"task": np.arange(1, len(curve) + 1)}, "percent"
                )
            }  # fmt: skip
            path = given.folder / "metrics" / experiment / f"{variant}.h5"
            made.write_metrics(path, experiment, variant, its, seeds, arrays)

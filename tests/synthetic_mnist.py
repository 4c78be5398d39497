"""Made-up results of online permuted MNIST: the published curves, with noise of seeds. Nothing here is a result.

Where no curve was digitised (most settings of the grids) the curve is invented, with the published end where
one is known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import synthetic_results as made
from the_studies import published

from perennial.claims.data import Curves, Variant

MNIST, WIDTH, RATE = "permuted_mnist", "permuted_mnist_width", "permuted_mnist_rate"
STEPS = ("backprop_0.01", "backprop_0.003", "backprop_0.001")
METRICS = ("online_accuracy", "dead_units", "weight_magnitude", "effective_rank%")
UNITS = {
    "online_accuracy": "percent",
    "dead_units": "percent",
    "weight_magnitude": "1",
    "effective_rank%": "percent",
}
FIGURES = {
    "online_accuracy": ("ed_fig_3b_step_size", "ed_fig_4a_online_accuracy", "ed_fig_4b_cbp"),
    "dead_units": ("ed_fig_3c_dead_units", "ed_fig_4a_dead_units"),
    "weight_magnitude": ("ed_fig_3c_weight_magnitude", "ed_fig_4a_weight_magnitude"),
    "effective_rank%": ("ed_fig_3c_effective_rank", "ed_fig_4a_effective_rank"),
}
TASKS = np.arange(1.0, 801.0)
#: peak and end of the settings that were not digitised
INVENTED = {
    "l2_0.001": (94.9, 93.9), "l2_1e-5": (95.2, 93.75), "shrink_and_perturb_1e-4": (94.5, 92.5),
    "shrink_and_perturb_1e-6": (95.2, 94.75), "dropout_0.03": (95.0, 93.1), "dropout_0.3": (93.1, 89.0),
    "online_normalisation_0.9999_0.999": (95.35, 93.5), "online_normalisation_0.99_0.9": (95.4, 93.2),
    "adam_1e-4": (94.6, 85.5), "adam_3e-5": (94.6, 70.0),
}  # fmt: skip
WIDTHS = {"width_100": 100, "width_1000": 1000, "width_10000": 10000}
EVERY = {"every_10k": 10_000, "every_100k": 100_000, "every_1m": 1_000_000}


def bridged(line: published.Series) -> np.ndarray:
    """A published curve at every task; holes are bridged, what lies above the axis is put 3 over its end."""
    mean = (
        line.mean if line.clipped_above is None else np.where(line.above, line.clipped_above + 3, line.mean)
    )
    read = np.isfinite(mean)
    return np.interp(np.arange(line.x[0], line.x[-1] + 1), line.x[read], mean[read])


def curves() -> dict[str, dict[str, np.ndarray]]:
    """variant -> metric -> [task] of all 21 settings."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for metric, figures in FIGURES.items():
        for figure in reversed(figures):  # the first figure wins
            for name, line in published.series(figure).items():
                found.setdefault(name, {})[metric] = bridged(line)
    for name, (peak, end) in INVENTED.items():
        fall = end + (peak - end) * np.exp(-TASKS / 80)
        found[name] = {"online_accuracy": np.where(TASKS == 1, peak - 0.6, fall)}
    found["backprop_0.001"]["online_accuracy"][50] = (
        94.85  # task 51: the peak lies between two printed points
    )
    return found


def settings(variant: str, hidden: int = 2000, tasks: int = 800, **problem) -> dict:
    """Settings of one variant, in the shape that `Study.settings` gives."""
    algorithm = next(name for name in sorted(made_of(), key=len, reverse=True) if variant.startswith(name))
    more = {"replacement_rate": float(variant.split("_")[1])} if algorithm == "cbp" else {}
    given = made.settings(MNIST, [hidden] * 3, "relu", made_of()[algorithm], tasks, **more)
    return given | {"problem": {"name": MNIST, "task_examples": 60_000, **problem}}


def made_of() -> dict[str, str]:
    """Beginning of a variant's name -> algorithm."""
    methods = ("backprop", "l2", "shrink_and_perturb", "dropout", "online_normalisation", "adam", "cbp")
    return {name: name for name in methods} | {"width": "backprop", "every": "backprop", "mine": "mine"}


def noisy(curve: np.ndarray, n: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """[seed, task]: a curve with an offset for each seed and noise for each task, both `noise` of its size."""
    scale = noise * np.abs(curve).mean()
    return curve + scale * rng.normal(size=(n, 1)) + scale * rng.normal(size=(n, len(curve)))


def results(n: int = 10, noise: float = 1e-6, given: dict | None = None, seed: int = 0) -> dict[str, Variant]:
    """In-memory results of `permuted_mnist` as claims read them; the first layer dies like the mean."""
    rng = np.random.default_rng(seed)
    found = {}
    for variant, metrics in (curves() if given is None else given).items():
        made_up = {}
        for name, curve in metrics.items():
            values = noisy(curve, n, noise, rng)
            made_up[name] = Curves(np.arange(n), TASKS[: len(curve)], values, UNITS[name], "task")
        if "dead_units" in made_up:
            made_up["dead_units[1]"] = made_up["dead_units"]
        found[variant] = Variant(made_up, settings(variant), planned=tuple(range(n)))
    return found


def others(experiment: str, n: int = 10, noise: float = 1e-6, seed: int = 0) -> dict[str, Variant]:
    """In-memory results of the width or the rate experiment: online accuracy alone."""
    rng = np.random.default_rng(seed)
    found = {}
    figure = {WIDTH: "ed_fig_3b_width", RATE: "ed_fig_3b_rate"}[experiment]
    for variant, line in published.series(figure).items():
        x = line.x if experiment == WIDTH else 1 + (line.x - 1) * 1e6 / EVERY[variant]
        curve = Curves(np.arange(n), x, noisy(line.mean, n, noise, rng), "percent", "task")
        found[variant] = Variant({"online_accuracy": curve}, {}, planned=tuple(range(n)))
    return found


def study(results_folder: Path, widths: tuple[str, ...] = tuple(WIDTHS), full: bool = True) -> made.Study:
    """A study of the three experiments, or of the widths alone."""
    table = {}
    if full:
        table[MNIST] = {variant: settings(variant) for variant in curves()}
    table[WIDTH] = {name: settings(name, WIDTHS[name], 150) for name in widths}
    if full:
        table[RATE] = {
            name: settings(name, tasks=48_000_000 // size, task_examples=size) for name, size in EVERY.items()
        }
    names = {"ed_fig_3b": list(table)} | {f"ed_fig_{x}": [MNIST] for x in ("3c", "4a", "4b") if full}
    return made.Study(Path(results_folder), table=table, counts=dict.fromkeys(table, 3), figure_names=names)


def write(given: made.Study, seeds: int = 3, noise: float = 5e-4) -> None:
    """Metrics files of every variant of the study, with layers where the real ones have them."""
    rng = np.random.default_rng(0)
    for experiment, variants in given.table.items():
        for variant, its in variants.items():
            path = given.folder / "metrics" / experiment / f"{variant}.h5"
            made.write_metrics(
                path, experiment, variant, its, seeds, _arrays(experiment, variant, seeds, noise, rng)
            )


def _arrays(experiment: str, variant: str, seeds: int, noise: float, rng: np.random.Generator) -> dict:
    if experiment != MNIST:
        curve = others(experiment, seeds, noise)[variant].metrics["online_accuracy"]
        return {"online_accuracy": (curve.values, {"task": curve.x}, "percent")}
    known = curves()
    base = known.get("backprop_0.003" if variant not in known else variant, {})
    arrays = {}
    for name in METRICS:
        values = noisy(base.get(name, known["backprop_0.003"][name]), seeds, noise, rng)
        if name in ("dead_units", "effective_rank%"):
            layered = np.stack([0.8 * values, values, 1.2 * values], axis=2).clip(0)
            scale, units = (20, "dimensions") if name == "effective_rank%" else (1, "percent")
            axes = {"task": TASKS, "layer": np.arange(1, 4)}
            arrays[name.rstrip("%")] = (layered * scale, axes, units)
        else:
            arrays[name] = (values, {"task": TASKS}, UNITS[name])
    return arrays
